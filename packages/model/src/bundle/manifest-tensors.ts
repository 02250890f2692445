/** Reading a manifest: the fields that name tensors of the weights. */
import { pathOf, textOf } from "./manifest-fields.js";
import type { Fields } from "./manifest-fields.js";
import type { Matrix } from "../vectors/matrix.js";
import { dtypeOf, hasDtype } from "./safetensors.js";
import type { Dtype, Tensor, TensorData, TensorTypes } from "./safetensors.js";
import { assertFinite } from "../vectors/vector.js";

export interface TensorSource {
  readonly tensors: ReadonlyMap<string, Tensor<TensorData>>;
  /** Names that a field refers to. */
  readonly used: Set<string>;
}

/** Finite numbers. @throws TypeError or RangeError that names the field and what was expected */
export function readVector(fields: Fields, name: string, source: TensorSource): Float32Array {
  return readList(fields, name, "F32", source);
}

/** Finite numbers. @throws as `readVector` */
export function readMatrix(fields: Fields, name: string, source: TensorSource): Matrix {
  const { shape, data } = referredTensor(fields, name, 2, "F32", source);
  return { rows: shape[0]!, cols: shape[1]!, data };
}

/** A tensor of one side. @throws as `readVector` */
export function readList<Type extends Dtype>(
  fields: Fields,
  name: string,
  dtype: Type,
  source: TensorSource,
): TensorTypes[Type] {
  return referredTensor(fields, name, 1, dtype, source).data;
}

function referredTensor<Type extends Dtype>(
  fields: Fields,
  name: string,
  sides: number,
  dtype: Type,
  source: TensorSource,
): Tensor<TensorTypes[Type]> {
  const path = pathOf(fields, name);
  const tensorName = textOf(fields, name, /^.+$/);
  const tensor = source.tensors.get(tensorName);
  if (tensor === undefined) throw new RangeError(`${path}: no tensor ${tensorName} in the weights`);
  const { shape, data } = tensor;
  if (!hasDtype(data, dtype)) {
    throw new RangeError(`${path}: expected a tensor of ${dtype}, got ${dtypeOf(data)}`);
  }
  if (shape.length !== sides) {
    throw new RangeError(`${path}: expected ${sides} sides, got shape ${shape.join(" x ")}`);
  }
  if (hasDtype(data, "F32")) assertFinite(data, path);
  source.used.add(tensorName);
  return { shape, data };
}
