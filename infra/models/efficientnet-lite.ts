/**
 * EfficientNet-Lite (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional
 * Neural Networks"; the Lite family drops squeeze-and-excitation and uses ReLU6) as an ONNX graph,
 * written operation by operation from the tensors of a PyTorch checkpoint.
 */
import { onnxModel } from "@marquetry/onnx/writer";
import type { Initializer, Node } from "@marquetry/onnx/writer";
import type { Tensor } from "./unpickle.js";

/** Multipliers of the channel counts and of the blocks per stage, and the side of the picture. */
const variants = {
  "efficientnet-lite0": { width: 1, depth: 1, size: 224 },
  "efficientnet-lite1": { width: 1, depth: 1.1, size: 240 },
  "efficientnet-lite2": { width: 1.1, depth: 1.2, size: 260 },
} as const;

export type EfficientNetLite = keyof typeof variants;
export const efficientNetLites = Object.keys(variants) as EfficientNetLite[];

/** `[blocks, kernel, stride, expansion, output channels]` of each stage of Lite0 (table 1). */
const stages = [
  [1, 3, 1, 1, 16],
  [2, 3, 2, 6, 24],
  [2, 5, 2, 6, 40],
  [3, 3, 2, 6, 80],
  [3, 5, 1, 6, 112],
  [4, 5, 2, 6, 192],
  [1, 3, 1, 6, 320],
] as const;

const stemChannels = 32;
const headChannels = 1280;
/** The manifests' digests are those of graphs of this version. */
const OPSET = 13;
/** Of the checkpoints' batch normalisation. */
const epsilon = 1e-3;

/**
 * The network up to its pooled features, without the classifier: `image` float32 `[N, 3, S, S]`
 * to `embedding` float32 `[N, 1280]`, with any N.
 *
 * @throws Error when a tensor is absent or has another shape than the variant's.
 */
export function efficientNetLiteToOnnx(
  variant: EfficientNetLite,
  checkpoint: ReadonlyMap<string, Tensor>,
): Uint8Array {
  const { width, depth, size } = variants[variant];
  const graph = new GraphBuilder(checkpoint, size);
  let x = graph.convolution("image", "_conv_stem", "_bn0", {
    from: 3,
    to: stemChannels,
    kernel: 3,
    stride: 2,
  });
  x = graph.relu6(x);
  let channels = stemChannels;
  let block = 0;
  stages.forEach(([blocks, kernel, firstStride, expansion, base], stage) => {
    // The Lite family scales neither stem nor head, nor the block counts next to them.
    const fixed = stage === 0 || stage === stages.length - 1;
    const repeats = fixed ? blocks : Math.ceil(blocks * depth);
    const to = scaleChannels(base, width);
    for (let i = 0; i < repeats; i += 1) {
      const stride = i === 0 ? firstStride : 1;
      x = graph.block(x, `_blocks.${block}`, { from: channels, to, kernel, stride }, expansion);
      channels = to;
      block += 1;
    }
  });
  x = graph.convolution(x, "_conv_head", "_bn1", {
    from: channels,
    to: headChannels,
    kernel: 1,
    stride: 1,
  });
  x = graph.relu6(x);
  graph.pool(x, "embedding");
  return onnxModel({
    name: variant,
    producer: "marquetry",
    opset: OPSET,
    inputs: [{ name: "image", type: "float32", shape: ["N", 3, size, size] }],
    outputs: [{ name: "embedding", type: "float32", shape: ["N", headChannels] }],
    nodes: graph.nodes,
    initializers: graph.weights,
  });
}

/** To a multiple of 8, but never more than a tenth below the exact product. */
function scaleChannels(channels: number, width: number): number {
  const exact = channels * width;
  const rounded = Math.max(8, Math.floor((exact + 4) / 8) * 8);
  return rounded < 0.9 * exact ? rounded + 8 : rounded;
}

interface Shape {
  readonly from: number;
  readonly to: number;
  readonly kernel: number;
  readonly stride: number;
}

class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly weights: Initializer[] = [
    { name: "zero", dims: [], data: new Float32Array([0]) },
    { name: "six", dims: [], data: new Float32Array([6]) },
  ];
  readonly #checkpoint: ReadonlyMap<string, Tensor>;
  #size: number;

  constructor(checkpoint: ReadonlyMap<string, Tensor>, size: number) {
    this.#checkpoint = checkpoint;
    this.#size = size;
  }

  /** An inverted residual: expand, filter each channel by itself, project, add the input. */
  block(input: string, name: string, shape: Shape, expansion: number): string {
    const { from, to, kernel, stride } = shape;
    const wide = from * expansion;
    let x = input;
    if (expansion !== 1) {
      const expand = { from, to: wide, kernel: 1, stride: 1 };
      x = this.relu6(this.convolution(x, `${name}._expand_conv`, `${name}._bn0`, expand));
    }
    const depthwise = { from: wide, to: wide, kernel, stride };
    x = this.convolution(x, `${name}._depthwise_conv`, `${name}._bn1`, depthwise, wide);
    x = this.relu6(x);
    const project = { from: wide, to, kernel: 1, stride: 1 };
    x = this.convolution(x, `${name}._project_conv`, `${name}._bn2`, project);
    if (stride !== 1 || from !== to) return x;
    return this.#node("Add", [x, input], `${name}.sum`);
  }

  /**
   * A convolution with its batch normalisation folded in: with s = gamma / sqrt(variance + eps),
   * the weights are scaled by s and the bias is beta - mean * s.
   */
  convolution(input: string, name: string, norm: string, shape: Shape, groups = 1): string {
    const { from, to, kernel, stride } = shape;
    const perGroup = from / groups;
    const weight = this.#tensor(`${name}.weight`, [to, perGroup, kernel, kernel]);
    const gamma = this.#tensor(`${norm}.weight`, [to]);
    const beta = this.#tensor(`${norm}.bias`, [to]);
    const mean = this.#tensor(`${norm}.running_mean`, [to]);
    const variance = this.#tensor(`${norm}.running_var`, [to]);
    const fan = perGroup * kernel * kernel;
    const scaled = new Float32Array(weight.length);
    const bias = new Float32Array(to);
    for (let channel = 0; channel < to; channel += 1) {
      const scale = (gamma[channel] ?? NaN) / Math.sqrt((variance[channel] ?? NaN) + epsilon);
      bias[channel] = (beta[channel] ?? NaN) - (mean[channel] ?? NaN) * scale;
      for (let i = channel * fan; i < (channel + 1) * fan; i += 1)
        scaled[i] = (weight[i] ?? NaN) * scale;
    }
    this.weights.push({
      name: `${name}.weight`,
      dims: [to, perGroup, kernel, kernel],
      data: scaled,
    });
    this.weights.push({ name: `${name}.bias`, dims: [to], data: bias });
    return this.#node("Conv", [input, `${name}.weight`, `${name}.bias`], name, {
      group: groups,
      kernel_shape: [kernel, kernel],
      pads: this.#pads(kernel, stride),
      strides: [stride, stride],
    });
  }

  relu6(input: string): string {
    return this.#node("Clip", [input, "zero", "six"], `${input}.relu6`);
  }

  pool(input: string, output: string): void {
    const pooled = this.#node("GlobalAveragePool", [input], `${input}.pooled`);
    this.#node("Flatten", [pooled], output, { axis: 1 });
  }

  /** TensorFlow's "same" padding, with which the weights were trained: an odd pixel goes to the
   * bottom and the right. Moves on to the convolution's output size. */
  #pads(kernel: number, stride: number): readonly number[] {
    const after = Math.ceil(this.#size / stride);
    const total = Math.max((after - 1) * stride + kernel - this.#size, 0);
    const before = Math.floor(total / 2);
    this.#size = after;
    return [before, before, total - before, total - before];
  }

  #tensor(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.#checkpoint.get(name);
    if (tensor === undefined) throw new Error(`the checkpoint has no ${name}`);
    const { data } = tensor;
    if (tensor.shape.join() !== shape.join() || data.BYTES_PER_ELEMENT !== 4) {
      throw new Error(`${name} is [${tensor.shape.join()}], expected [${shape.join()}]`);
    }
    return data as Float32Array;
  }

  #node(op: string, inputs: readonly string[], output: string, attributes = {}): string {
    this.nodes.push({ name: output, op, inputs, outputs: [output], attributes });
    return output;
  }
}
