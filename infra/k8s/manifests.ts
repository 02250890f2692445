/** Kubernetes manifests as plain data: the fields that the rules read. */
import { parseAllDocuments } from "yaml";

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Labels;
}

export type Labels = Readonly<Record<string, string>>;

type Amounts = Readonly<Record<string, string>>;

export interface Manifest {
  readonly kind: string;
  readonly metadata: Metadata;
}

export interface Workload extends Manifest {
  readonly kind: "Deployment" | "StatefulSet";
  readonly spec: {
    readonly replicas?: number;
    readonly serviceName?: string;
    readonly selector: { readonly matchLabels?: Labels };
    readonly template: { readonly metadata?: { readonly labels?: Labels }; readonly spec: PodSpec };
    readonly volumeClaimTemplates?: readonly Manifest[];
  };
}

export interface Service extends Manifest {
  readonly kind: "Service";
  readonly spec: {
    readonly selector?: Labels;
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort?: number | string;
    }[];
  };
}

export interface DisruptionBudget extends Manifest {
  readonly kind: "PodDisruptionBudget";
  readonly spec: {
    readonly selector?: { readonly matchLabels?: Labels };
    readonly minAvailable?: number | string;
    readonly maxUnavailable?: number | string;
  };
}

/** A ConfigMap or a Secret; a Secret's `data` is base64. */
export interface Settings extends Manifest {
  readonly kind: "ConfigMap" | "Secret";
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: SecurityContext;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name?: string; readonly optional?: boolean };
  readonly secret?: { readonly secretName?: string; readonly optional?: boolean };
  readonly persistentVolumeClaim?: { readonly claimName: string };
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly env?: readonly EnvironmentEntry[];
  readonly envFrom?: readonly {
    readonly configMapRef?: Reference;
    readonly secretRef?: Reference;
  }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly resources?: { readonly requests?: Amounts; readonly limits?: Amounts };
  readonly securityContext?: SecurityContext;
}

export interface EnvironmentEntry {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly configMapKeyRef?: KeyReference;
    readonly secretKeyRef?: KeyReference;
  };
}

interface Reference {
  readonly name: string;
  readonly optional?: boolean;
}

export interface KeyReference extends Reference {
  readonly key: string;
}

interface Probe {
  readonly httpGet?: { readonly port: number | string };
  readonly tcpSocket?: { readonly port: number | string };
  readonly grpc?: { readonly port: number };
}

interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly seccompProfile?: { readonly type: string };
  readonly capabilities?: { readonly drop?: readonly string[] };
}

/** The manifests of a YAML stream. @throws Error at the first thing that is not YAML */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => {
      const [error] = document.errors;
      if (error !== undefined) throw error;
      return document.toJS() as Manifest | null;
    })
    .filter((manifest) => manifest !== null);
}

export function isWorkload(manifest: Manifest): manifest is Workload {
  return manifest.kind === "Deployment" || manifest.kind === "StatefulSet";
}

export function isService(manifest: Manifest): manifest is Service {
  return manifest.kind === "Service";
}

export function isDisruptionBudget(manifest: Manifest): manifest is DisruptionBudget {
  return manifest.kind === "PodDisruptionBudget";
}

/** The values of a ConfigMap or a Secret, a Secret's decoded. */
export function settingsOf(settings: Settings): Map<string, string> {
  const data = Object.entries(settings.data ?? {}).map(([key, value]): [string, string] => [
    key,
    settings.kind === "Secret" ? Buffer.from(value, "base64").toString() : value,
  ]);
  return new Map([...data, ...Object.entries(settings.stringData ?? {})]);
}
