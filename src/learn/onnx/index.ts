/** Writing ONNX files: a small graph builder, and the export of Kedge's own models. */
export { gbdtToOnnx, SIGNATURE_METADATA_KEY, type TabularInput, type TabularSignature } from './gbdt.ts';
export {
  type Attribute,
  type Dimension,
  type ElementType,
  type NodeSpec,
  OnnxGraph,
  type OnnxModelSpec,
  type Tensor,
} from './graph.ts';
export { ProtobufWriter } from './protobuf.ts';
