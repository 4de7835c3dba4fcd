import type { Gate, GateRequest, GateVerdict } from '#ports/gate';

/** What the registry asks of the gate: beside the port's transitions, `stage` before a protected stage is reached. */
export interface RegistryGateRequest extends Omit<GateRequest, 'transition'> {
  readonly transition: GateRequest['transition'] | 'stage';
  /** Of the version, where it is not found under the name that it is judged by. */
  readonly digest?: string | undefined;
}

/** A gate that also judges stages. It answers everything that the port's {@link Gate} is asked. */
export interface RegistryGate extends Gate {
  decide(request: RegistryGateRequest): Promise<GateVerdict>;
}
