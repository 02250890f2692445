import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import { readCatalogue, toProductChange } from "./catalogue.js";

let directory: string;

beforeEach(async () => {
  directory = await newFolder();
});

afterAll(removeFolders);

async function catalogueOf(csv: string): ReturnType<typeof readCatalogue> {
  await writeFile(join(directory, "products.csv"), csv);
  return readCatalogue(directory);
}

describe("a catalogue", () => {
  test("is read with quotes, lists and pictures; columns that we do not know are ignored", async () => {
    await writeFile(join(directory, "lamp.jpg"), "");
    const [lamp, bare] = await catalogueOf(
      'id,title,categories,price,image,parent,colour\nlamp-1,"Lamp, tall",Home/Lamps|Sale,19.5,lamp.jpg,lamp,red\nbare,,,,,,\n',
    );
    expect(lamp).toEqual({
      id: "lamp-1",
      title: "Lamp, tall",
      description: "",
      categories: ["Home/Lamps", "Sale"],
      brand: "",
      price: 19.5,
      currency: "",
      image: join(directory, "lamp.jpg"),
      groupId: "lamp",
    });
    expect(bare).toMatchObject({ id: "bare", price: undefined, image: undefined, categories: [] });
  });

  test.each([
    ["no products", "id,title\n", /products\.csv: expected at least one product/],
    ["no id", "id,title\nx,X\n,Y\n", /products\.csv, row 3: expected an id/],
    ["an id twice", "id,title\nx,X\nx,Y\n", /row 3: id x stands in an earlier row/],
    ["a price that is none", "id,price\nx,cheap\n", /row 2: expected a price, got cheap/],
    [
      "a picture that is not there",
      "id,image\nx,none.jpg\n",
      /row 2: there is no picture .*none\.jpg/,
    ],
  ])("with %s is refused, naming file and row", async (_, csv, message) => {
    await expect(catalogueOf(csv)).rejects.toThrow(message);
  });

  test("that is not there is refused, naming what was expected", async () => {
    await expect(readCatalogue(directory)).rejects.toThrow(
      /expected a catalogue: a folder with products\.csv/,
    );
  });
});

test("a product without a price or picture is a change without them", () => {
  const product = {
    id: "x",
    title: "X",
    description: "",
    categories: [],
    brand: "",
    price: undefined,
    currency: "",
    image: undefined,
    groupId: "",
  };
  const { change } = toProductChange(product, { revision: 3, occurredAtMs: 5 });
  expect(change.case).toBe("upserted");
  expect(change.value).toMatchObject({ images: [] });
  expect(change.value).not.toHaveProperty("price", 0);
});
