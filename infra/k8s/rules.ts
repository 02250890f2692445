/**
 * What no schema sees: whether the manifests of one deployment fit together.
 *
 * Pure: manifests in, one readable line per mistake out. Each line starts with the kind and the name
 * of what is wrong.
 */
import { isDisruptionBudget, isService, isWorkload, settingsOf } from "./manifests.js";
import type {
  Container,
  DisruptionBudget,
  KeyReference,
  Labels,
  Manifest,
  PodSpec,
  Service,
  Settings,
  Workload,
} from "./manifests.js";

export interface Deployment {
  readonly manifests: readonly Manifest[];
  /** Secrets that the operator creates: name to keys. */
  readonly operatorSecrets: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The kinds that the rules below cover; another kind would go unchecked, so it is refused. */
const KNOWN_KINDS = new Set([
  "ConfigMap",
  "Deployment",
  "Namespace",
  "PodDisruptionBudget",
  "Secret",
  "Service",
  "ServiceAccount",
  "StatefulSet",
]);

export function findProblems(deployment: Deployment): string[] {
  const { manifests } = deployment;
  const workloads = manifests.filter(isWorkload);
  const lines = (subject: Manifest, problems: readonly string[]): string[] =>
    problems.map((problem) => `${subject.kind}/${subject.metadata.name}: ${problem}`);
  return [
    ...manifests
      .filter(({ kind }) => !KNOWN_KINDS.has(kind))
      .flatMap((manifest) =>
        lines(manifest, ["no rule covers this kind: add rules for it to the check"]),
      ),
    ...workloads.flatMap((workload) => lines(workload, workloadProblems(workload, deployment))),
    ...manifests
      .filter(isService)
      .flatMap((service) => lines(service, serviceProblems(service, workloads))),
    ...manifests
      .filter(isDisruptionBudget)
      .flatMap((budget) => lines(budget, disruptionProblems(budget.spec, workloads))),
  ];
}

function workloadProblems(workload: Workload, deployment: Deployment): string[] {
  const pod = workload.spec.template.spec;
  return [
    ...selectorProblems(workload),
    ...governingServiceProblems(workload, deployment),
    ...podProblems(pod, deployment),
    ...volumeProblems(workload, deployment),
    ...containersOf(pod).flatMap((container) =>
      [
        ...imageProblems(container),
        ...portProblems(container),
        ...probeProblems(container, pod),
        ...securityProblems(container, pod),
        ...resourceProblems(container),
        ...environmentProblems(container, pod, deployment),
      ].map((problem) => `container ${container.name}: ${problem}`),
    ),
  ];
}

function containersOf(pod: PodSpec): readonly Container[] {
  return [...(pod.initContainers ?? []), ...pod.containers];
}

/** An empty selector matches nothing here: it is never what these manifests mean. */
function matches(selector: Labels | undefined, labels: Labels | undefined): boolean {
  const required = Object.entries(selector ?? {});
  return required.length > 0 && required.every(([key, value]) => labels?.[key] === value);
}

function templateLabels(workload: Workload): Labels | undefined {
  return workload.spec.template.metadata?.labels;
}

function selectorProblems(workload: Workload): string[] {
  const selector = workload.spec.selector.matchLabels;
  return matches(selector, templateLabels(workload))
    ? []
    : [`its selector ${JSON.stringify(selector)} does not match the labels of its pods`];
}

function governingServiceProblems(workload: Workload, { manifests }: Deployment): string[] {
  const { serviceName } = workload.spec;
  if (workload.kind !== "StatefulSet" || has(manifests, "Service", serviceName)) return [];
  return [`its serviceName ${serviceName} is not defined`];
}

function has(manifests: readonly Manifest[], kind: string, name: string | undefined): boolean {
  return manifests.some((manifest) => manifest.kind === kind && manifest.metadata.name === name);
}

function podProblems(pod: PodSpec, { manifests }: Deployment): string[] {
  const problems: string[] = [];
  const account = pod.serviceAccountName;
  if (account !== undefined && !has(manifests, "ServiceAccount", account))
    problems.push(`its ServiceAccount ${account} is not defined`);
  // Service links turn the names of Services into variables, KAFKA_PORT for one.
  if (pod.enableServiceLinks !== false) problems.push("enableServiceLinks is not false");
  return problems;
}

function volumeProblems(workload: Workload, deployment: Deployment): string[] {
  const pod = workload.spec.template.spec;
  const volumes = pod.volumes ?? [];
  const claims = workload.spec.volumeClaimTemplates ?? [];
  const defined = new Set([
    ...volumes.map(({ name }) => name),
    ...claims.map((claim) => claim.metadata.name),
  ]);
  const mounts = containersOf(pod).flatMap(({ volumeMounts }) => volumeMounts ?? []);
  const mounted = new Set(mounts.map(({ name }) => name));
  const problems = [
    ...[...mounted]
      .filter((name) => !defined.has(name))
      .map((name) => `mounts volume ${name}, which it does not define`),
    ...[...defined]
      .filter((name) => !mounted.has(name))
      .map((name) => `defines volume ${name} but mounts it nowhere`),
  ];
  for (const { name, configMap, secret, persistentVolumeClaim: claim } of volumes) {
    if (configMap?.name !== undefined && configMap.optional !== true)
      problems.push(...sourceProblems("ConfigMap", configMap.name, deployment));
    if (secret?.secretName !== undefined && secret.optional !== true)
      problems.push(...sourceProblems("Secret", secret.secretName, deployment));
    if (claim !== undefined && !has(deployment.manifests, "PersistentVolumeClaim", claim.claimName))
      problems.push(`volume ${name}: PersistentVolumeClaim ${claim.claimName} is not defined`);
  }
  return problems;
}

/** The keys of a ConfigMap or Secret; undefined where nobody defines it. */
function keysOf(
  kind: Settings["kind"],
  name: string,
  deployment: Deployment,
): ReadonlySet<string> | undefined {
  const settings = deployment.manifests.find(
    (manifest): manifest is Settings => manifest.kind === kind && manifest.metadata.name === name,
  );
  if (settings !== undefined) return new Set(settingsOf(settings).keys());
  return kind === "Secret" ? deployment.operatorSecrets.get(name) : undefined;
}

function sourceProblems(kind: Settings["kind"], name: string, deployment: Deployment): string[] {
  return keysOf(kind, name, deployment) === undefined ? [`${kind} ${name} is not defined`] : [];
}

function imageProblems({ image = "" }: Container): string[] {
  // The tag comes after the last slash, for a registry may have a port.
  const tag = /:([^:/]+)$/.exec(image)?.[1];
  const pinned = image.includes("@sha256:") || (tag !== undefined && /\d/.test(tag));
  return pinned ? [] : [`image ${image} names no version`];
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function portProblems({ ports = [] }: Container): string[] {
  return [
    ...ports
      .filter(({ containerPort }) => !isPort(containerPort))
      .map(({ containerPort }) => `port ${containerPort} is not from 1 to 65535`),
    ...repeated(ports.map(({ name }) => name)).map((name) => `two ports are named ${name}`),
    ...repeated(ports.map(({ containerPort }) => containerPort)).map(
      (port) => `port ${port} is declared twice`,
    ),
  ];
}

function repeated<Value>(values: readonly (Value | undefined)[]): Value[] {
  return values.filter(
    (value, index): value is Value => value !== undefined && values.indexOf(value) < index,
  );
}

function declares({ ports = [] }: Container, port: number | string): boolean {
  return ports.some(({ name, containerPort }) => name === port || containerPort === port);
}

function probeProblems(container: Container, pod: PodSpec): string[] {
  const problems: string[] = [];
  for (const kind of ["startupProbe", "livenessProbe", "readinessProbe"] as const) {
    const probe = container[kind];
    const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port ?? probe?.grpc?.port;
    if (port !== undefined && !declares(container, port))
      problems.push(`${kind} asks port ${port}, which the container does not declare`);
  }
  // An init container ends before the pod can be ready.
  if (container.readinessProbe === undefined && pod.containers.includes(container))
    problems.push("it has no readinessProbe");
  return problems;
}

/** The restricted pod security standard, as far as these pods use its fields, and a read-only root. */
function securityProblems(
  { securityContext: own }: Container,
  { securityContext: shared }: PodSpec,
): string[] {
  const problems: string[] = [];
  if ((own?.runAsNonRoot ?? shared?.runAsNonRoot) !== true)
    problems.push("runAsNonRoot is not true");
  if ((own?.runAsUser ?? shared?.runAsUser) === 0) problems.push("it runs as user 0");
  if ((own?.seccompProfile ?? shared?.seccompProfile)?.type !== "RuntimeDefault")
    problems.push("its seccompProfile is not RuntimeDefault");
  if (own?.allowPrivilegeEscalation !== false)
    problems.push("allowPrivilegeEscalation is not false");
  if (own?.capabilities?.drop?.includes("ALL") !== true)
    problems.push("it does not drop ALL capabilities");
  // Said, one way or the other: a writable root is a decision.
  if (own?.readOnlyRootFilesystem === undefined) problems.push("readOnlyRootFilesystem is not set");
  return problems;
}

function resourceProblems({ resources }: Container): string[] {
  const missing = [
    ...["cpu", "memory"]
      .filter((name) => resources?.requests?.[name] === undefined)
      .map((name) => `request for ${name}`),
    ...["memory"]
      .filter((name) => resources?.limits?.[name] === undefined)
      .map((name) => `limit for ${name}`),
  ];
  return missing.map((what) => `it has no ${what}`);
}

function environmentProblems(container: Container, pod: PodSpec, deployment: Deployment): string[] {
  const problems: string[] = [];
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef !== undefined && configMapRef.optional !== true)
      problems.push(...sourceProblems("ConfigMap", configMapRef.name, deployment));
    if (secretRef !== undefined && secretRef.optional !== true)
      problems.push(...sourceProblems("Secret", secretRef.name, deployment));
  }
  for (const { name, valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef !== undefined)
      problems.push(...keyProblems(name, "ConfigMap", valueFrom.configMapKeyRef, deployment));
    if (valueFrom?.secretKeyRef !== undefined)
      problems.push(...keyProblems(name, "Secret", valueFrom.secretKeyRef, deployment));
  }
  problems.push(
    ...repeated((container.env ?? []).map(({ name }) => name)).map(
      (name) => `${name} is set twice`,
    ),
  );
  for (const [name, value] of environmentOf(container, deployment.manifests)) {
    if (name.endsWith("_PORT") && !declares(container, Number(value)))
      problems.push(`${name} is ${value}, a port which the container does not declare`);
    if (name.endsWith("_URL")) problems.push(...hostProblems(name, value, deployment.manifests));
    if (name === "SHUTDOWN_SECONDS") problems.push(...graceProblems(Number(value), container, pod));
  }
  return problems;
}

function keyProblems(
  variable: string,
  kind: Settings["kind"],
  { name, key, optional }: KeyReference,
  deployment: Deployment,
): string[] {
  if (optional === true) return [];
  const keys = keysOf(kind, name, deployment);
  if (keys === undefined) return [`${variable}: ${kind} ${name} is not defined`];
  return keys.has(key) ? [] : [`${variable}: ${kind} ${name} has no key ${key}`];
}

/** The variables whose values the manifests hold; those that the operator provides are not known. */
export function environmentOf(
  container: Container,
  manifests: readonly Manifest[],
): Map<string, string> {
  const valuesOf = (
    kind: Settings["kind"],
    name: string | undefined,
  ): ReadonlyMap<string, string> => {
    const settings = manifests.find(
      (manifest): manifest is Settings => manifest.kind === kind && manifest.metadata.name === name,
    );
    return settings === undefined ? new Map() : settingsOf(settings);
  };
  const environment = new Map<string, string>();
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    for (const [key, value] of valuesOf("ConfigMap", configMapRef?.name))
      environment.set(key, value);
    for (const [key, value] of valuesOf("Secret", secretRef?.name)) environment.set(key, value);
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const { configMapKeyRef, secretKeyRef } = valueFrom ?? {};
    const given =
      value ??
      valuesOf("ConfigMap", configMapKeyRef?.name).get(configMapKeyRef?.key ?? "") ??
      valuesOf("Secret", secretKeyRef?.name).get(secretKeyRef?.key ?? "");
    if (given !== undefined) environment.set(name, given);
  }
  return environment;
}

/** A host without a dot is a Service of the same namespace. */
function hostProblems(variable: string, url: string, manifests: readonly Manifest[]): string[] {
  const authority = /^[a-z]+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(url)?.[1];
  return (authority?.split(",") ?? []).flatMap((address) => {
    const [host = "", port] = address.split(":");
    if (host.includes(".")) return [];
    const service = manifests.filter(isService).find(({ metadata }) => metadata.name === host);
    if (service === undefined) return [`${variable}: no Service is named ${host}`];
    return port === undefined ||
      service.spec.ports?.some((offered) => offered.port === Number(port))
      ? []
      : [`${variable}: Service ${host} has no port ${port}`];
  });
}

function graceProblems(shutdownSeconds: number, container: Container, pod: PodSpec): string[] {
  // 30 s is what Kubernetes takes where nothing is said.
  const graceSeconds = pod.terminationGracePeriodSeconds ?? 30;
  const preStopSeconds = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
  return graceSeconds > preStopSeconds + shutdownSeconds
    ? []
    : [
        `terminationGracePeriodSeconds ${graceSeconds} is not above preStop ${preStopSeconds} + SHUTDOWN_SECONDS ${shutdownSeconds}`,
      ];
}

function serviceProblems({ spec }: Service, workloads: readonly Workload[]): string[] {
  const selected = workloads.filter((workload) => matches(spec.selector, templateLabels(workload)));
  if (selected.length !== 1) {
    const names = selected.map(({ metadata }) => metadata.name).join(", ") || "none";
    return [
      `its selector ${JSON.stringify(spec.selector)} matches the pods of ${names}, expected those of one workload`,
    ];
  }
  const ports = spec.ports ?? [];
  const containers = selected.flatMap((workload) => workload.spec.template.spec.containers);
  return [
    ...ports
      .filter(({ port }) => !isPort(port))
      .map(({ port }) => `port ${port} is not from 1 to 65535`),
    ...repeated(ports.map(({ port }) => port)).map((port) => `port ${port} is offered twice`),
    ...ports
      .map(({ port, targetPort }) => targetPort ?? port)
      .filter((target) => !containers.some((container) => declares(container, target)))
      .map((target) => `targetPort ${target} is declared by no container`),
  ];
}

function disruptionProblems(
  { selector, minAvailable, maxUnavailable }: DisruptionBudget["spec"],
  workloads: readonly Workload[],
): string[] {
  const selected = workloads.filter((workload) =>
    matches(selector?.matchLabels, templateLabels(workload)),
  );
  if (selected.length === 0)
    return [`its selector ${JSON.stringify(selector?.matchLabels)} matches no pods`];
  const replicas = selected.reduce((sum, workload) => sum + (workload.spec.replicas ?? 1), 0);
  const stuck =
    maxUnavailable === 0 || (typeof minAvailable === "number" && minAvailable >= replicas);
  return stuck
    ? [`it never allows an eviction (${replicas} replicas), so a node cannot be drained`]
    : [];
}
