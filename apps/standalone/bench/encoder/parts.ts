/** The encoder's benchmark. Each part runs in a process of its own, so that none is measured with
 * the memory and caches of another. */
import { benchLoad } from "./bench-load.js";
import { benchRatio } from "./bench-ratio.js";
import { benchRerun } from "./bench-rerun.js";
import type { EncoderBench } from "./setting.js";
import { readPhotos, readTexts } from "./workload.js";

export const ENCODER_PARTS: Readonly<Record<string, (bench: EncoderBench) => Promise<void>>> = {
  text: async (bench) => benchRatio(bench, "text", await textsOf(bench)),
  image: async (bench) =>
    benchRatio(bench, "image", await readPhotos(bench.data, bench.quick ? 300 : 700)),
  rerun: benchRerun,
  load: async (bench) => benchLoad(bench, await textsOf(bench), await readPhotos(bench.data, 700)),
};

function textsOf({ data, quick }: EncoderBench): Promise<string[]> {
  return readTexts(data, quick ? 800 : 2_000);
}
