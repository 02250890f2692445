import { describe, expect, test } from "@jest/globals";
import { parseManifests } from "./manifests.js";
import { findProblems } from "./rules.js";

/** One app and one store that fit together; each test below breaks one thing of it. */
const SOUND = `
apiVersion: v1
kind: ServiceAccount
metadata: { name: fusion }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: fusion }
data: { HTTP_PORT: "8080", SHUTDOWN_SECONDS: "25" }
---
apiVersion: v1
kind: Secret
metadata: { name: stores }
stringData: { PROFILE_STORE_URL: "redis://redis:6379" }
---
apiVersion: v1
kind: Service
metadata: { name: fusion }
spec:
  selector: { app: fusion }
  ports: [{ name: http, port: 80, targetPort: http }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: fusion }
spec:
  replicas: 2
  selector: { matchLabels: { app: fusion } }
  template:
    metadata: { labels: { app: fusion } }
    spec:
      serviceAccountName: fusion
      enableServiceLinks: false
      terminationGracePeriodSeconds: 35
      securityContext: { runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
      containers:
        - name: fusion
          image: registry:5000/fusion:1.2.3
          ports: [{ name: http, containerPort: 8080 }]
          envFrom: [{ configMapRef: { name: fusion } }]
          env:
            - name: PROFILE_STORE_URL
              valueFrom: { secretKeyRef: { name: stores, key: PROFILE_STORE_URL } }
            - name: API_KEY
              valueFrom: { secretKeyRef: { name: stores, key: API_KEY, optional: true } }
          lifecycle: { preStop: { sleep: { seconds: 5 } } }
          startupProbe: { httpGet: { path: /livez, port: http } }
          readinessProbe: { httpGet: { path: /readyz, port: 8080 } }
          resources: { requests: { cpu: "1", memory: 1Gi }, limits: { memory: 1Gi } }
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          volumeMounts: [{ name: tmp, mountPath: /tmp }]
      volumes: [{ name: tmp, emptyDir: {} }]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: fusion }
spec:
  minAvailable: 1
  selector: { matchLabels: { app: fusion } }
---
apiVersion: v1
kind: Service
metadata: { name: redis }
spec:
  clusterIP: None
  selector: { app: redis }
  ports: [{ port: 6379 }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: redis }
spec:
  serviceName: redis
  selector: { matchLabels: { app: redis } }
  template:
    metadata: { labels: { app: redis } }
    spec:
      enableServiceLinks: false
      containers:
        - name: redis
          image: redis@sha256:0123
          ports: [{ containerPort: 6379 }]
          readinessProbe: { tcpSocket: { port: 6379 } }
          resources: { requests: { cpu: "1", memory: 1Gi }, limits: { memory: 1Gi } }
          securityContext:
            runAsNonRoot: true
            seccompProfile: { type: RuntimeDefault }
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: false
            capabilities: { drop: [ALL] }
          volumeMounts: [{ name: data, mountPath: /data }]
  volumeClaimTemplates: [{ metadata: { name: data } }]
`;

function problemsOf(yaml: string, operatorSecrets: Record<string, string[]> = {}): string[] {
  return findProblems({
    manifests: parseManifests(yaml),
    operatorSecrets: new Map(
      Object.entries(operatorSecrets).map(([name, keys]) => [name, new Set(keys)]),
    ),
  });
}

function broken(from: string, to: string): string {
  if (SOUND.split(from).length !== 2)
    throw new Error(`the text to break is not there once: ${from}`);
  return SOUND.replace(from, to);
}

describe("manifests that fit together", () => {
  test("have no problem", () => {
    expect(problemsOf(SOUND)).toEqual([]);
  });

  test("may take a Secret that the operator provides", () => {
    const renamed = broken("metadata: { name: stores }", "metadata: { name: others }");
    expect(problemsOf(renamed, { stores: ["PROFILE_STORE_URL"] })).toEqual([]);
  });

  test("may name hosts outside the cluster", () => {
    expect(
      problemsOf(broken("redis://redis:6379", "redis://:pass@a.example.com:6379,b.example.com")),
    ).toEqual([]);
  });

  test("hold a Secret's values in base64 as well", () => {
    const encoded = Buffer.from("redis://rediss:6379").toString("base64");
    const secret = broken(
      'stringData: { PROFILE_STORE_URL: "redis://redis:6379" }',
      `data: { PROFILE_STORE_URL: ${encoded} }`,
    );
    expect(problemsOf(secret)).toEqual([
      "Deployment/fusion: container fusion: PROFILE_STORE_URL: no Service is named rediss",
    ]);
  });
});

/** What is broken, how, and all that the check says to it. */
const MISTAKES: readonly (readonly [
  title: string,
  from: string,
  to: string,
  ...problems: string[],
])[] = [
  [
    "a kind without rules",
    "kind: PodDisruptionBudget",
    "kind: Job",
    "Job/fusion: no rule covers this kind: add rules for it to the check",
  ],
  [
    "a selector that misses its own pods",
    "selector: { matchLabels: { app: fusion } }\n  template",
    "selector: { matchLabels: { app: fuson } }\n  template",
    'Deployment/fusion: its selector {"app":"fuson"} does not match the labels of its pods',
  ],
  [
    "a StatefulSet without its Service",
    "serviceName: redis",
    "serviceName: rediss",
    "StatefulSet/redis: its serviceName rediss is not defined",
  ],
  [
    "a ServiceAccount that is not there",
    "serviceAccountName: fusion",
    "serviceAccountName: fuse",
    "Deployment/fusion: its ServiceAccount fuse is not defined",
  ],
  [
    "service links",
    "      enableServiceLinks: false\n      terminationGrace",
    "      terminationGrace",
    "Deployment/fusion: enableServiceLinks is not false",
  ],
  [
    "a mount without a volume, and a volume without a mount",
    "volumeMounts: [{ name: tmp,",
    "volumeMounts: [{ name: temp,",
    "Deployment/fusion: mounts volume temp, which it does not define",
    "Deployment/fusion: defines volume tmp but mounts it nowhere",
  ],
  [
    "a volume of a ConfigMap that is not there",
    "volumes: [{ name: tmp, emptyDir: {} }]",
    "volumes: [{ name: tmp, configMap: { name: absent } }]",
    "Deployment/fusion: ConfigMap absent is not defined",
  ],
  [
    "a volume of a Secret that is not there",
    "volumes: [{ name: tmp, emptyDir: {} }]",
    "volumes: [{ name: tmp, secret: { secretName: absent } }]",
    "Deployment/fusion: Secret absent is not defined",
  ],
  [
    "a volume claim that is not there",
    "volumes: [{ name: tmp, emptyDir: {} }]",
    "volumes: [{ name: tmp, persistentVolumeClaim: { claimName: absent } }]",
    "Deployment/fusion: volume tmp: PersistentVolumeClaim absent is not defined",
  ],
  [
    "an image without a tag, from a registry with a port",
    "image: registry:5000/fusion:1.2.3",
    "image: registry:5000/fusion",
    "Deployment/fusion: container fusion: image registry:5000/fusion names no version",
  ],
  [
    "an image at latest",
    "fusion:1.2.3",
    "fusion:latest",
    "Deployment/fusion: container fusion: image registry:5000/fusion:latest names no version",
  ],
  [
    "a port out of range",
    "ports: [{ name: http, containerPort: 8080 }]",
    "ports: [{ name: http, containerPort: 8080 }, { containerPort: 99999 }]",
    "Deployment/fusion: container fusion: port 99999 is not from 1 to 65535",
  ],
  [
    "two ports of one name and number",
    "ports: [{ name: http, containerPort: 8080 }]",
    "ports: [{ name: http, containerPort: 8080 }, { name: http, containerPort: 8080 }]",
    "Deployment/fusion: container fusion: two ports are named http",
    "Deployment/fusion: container fusion: port 8080 is declared twice",
  ],
  [
    "a probe of a port by a wrong name",
    "path: /livez, port: http",
    "path: /livez, port: health",
    "Deployment/fusion: container fusion: startupProbe asks port health, which the container does not declare",
  ],
  [
    "a probe of a wrong port",
    "tcpSocket: { port: 6379 }",
    "tcpSocket: { port: 6380 }",
    "StatefulSet/redis: container redis: readinessProbe asks port 6380, which the container does not declare",
  ],
  [
    "a container that nobody asks whether it is ready",
    "readinessProbe: { tcpSocket: { port: 6379 } }",
    "livenessProbe: { tcpSocket: { port: 6379 } }",
    "StatefulSet/redis: container redis: it has no readinessProbe",
  ],
  [
    "root",
    "securityContext: { runAsNonRoot: true, seccompProfile",
    "securityContext: { runAsUser: 0, seccompProfile",
    "Deployment/fusion: container fusion: runAsNonRoot is not true",
    "Deployment/fusion: container fusion: it runs as user 0",
  ],
  [
    "no seccomp profile",
    "securityContext: { runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }",
    "securityContext: { runAsNonRoot: true }",
    "Deployment/fusion: container fusion: its seccompProfile is not RuntimeDefault",
  ],
  [
    "privileges that may grow",
    "allowPrivilegeEscalation: false\n            readOnlyRootFilesystem: true",
    "readOnlyRootFilesystem: true",
    "Deployment/fusion: container fusion: allowPrivilegeEscalation is not false",
  ],
  [
    "capabilities that are kept, and a root file system of which nothing is said",
    "readOnlyRootFilesystem: true\n            capabilities: { drop: [ALL] }",
    "capabilities: { drop: [NET_RAW] }",
    "Deployment/fusion: container fusion: it does not drop ALL capabilities",
    "Deployment/fusion: container fusion: readOnlyRootFilesystem is not set",
  ],
  [
    "resources left open",
    'requests: { cpu: "1", memory: 1Gi }, limits: { memory: 1Gi } }\n          securityContext:\n            allow',
    "requests: { memory: 1Gi } }\n          securityContext:\n            allow",
    "Deployment/fusion: container fusion: it has no request for cpu",
    "Deployment/fusion: container fusion: it has no limit for memory",
  ],
  [
    "an environment from a ConfigMap that is not there",
    "configMapRef: { name: fusion }",
    "configMapRef: { name: fuse }",
    "Deployment/fusion: container fusion: ConfigMap fuse is not defined",
  ],
  [
    "a variable from a Secret that is not there",
    "secretKeyRef: { name: stores, key: PROFILE_STORE_URL }",
    "secretKeyRef: { name: stored, key: PROFILE_STORE_URL }",
    "Deployment/fusion: container fusion: PROFILE_STORE_URL: Secret stored is not defined",
  ],
  [
    "a variable from a key that is not there",
    "secretKeyRef: { name: stores, key: PROFILE_STORE_URL }",
    "secretKeyRef: { name: stores, key: PROFILE_URL }",
    "Deployment/fusion: container fusion: PROFILE_STORE_URL: Secret stores has no key PROFILE_URL",
  ],
  [
    "a variable that is set twice",
    "            - name: API_KEY\n",
    "            - { name: API_KEY, value: x }\n            - name: API_KEY\n",
    "Deployment/fusion: container fusion: API_KEY is set twice",
  ],
  [
    "an app that listens where no port is declared",
    'HTTP_PORT: "8080"',
    'HTTP_PORT: "8081"',
    "Deployment/fusion: container fusion: HTTP_PORT is 8081, a port which the container does not declare",
  ],
  [
    "a URL of a Service that is not there",
    "redis://redis:6379",
    "redis://cache:6379",
    "Deployment/fusion: container fusion: PROFILE_STORE_URL: no Service is named cache",
  ],
  [
    "a URL with a port that its Service does not have",
    "redis://redis:6379",
    "redis://redis:6380",
    "Deployment/fusion: container fusion: PROFILE_STORE_URL: Service redis has no port 6380",
  ],
  [
    "a grace period that cuts the drain short",
    "terminationGracePeriodSeconds: 35",
    "terminationGracePeriodSeconds: 30",
    "Deployment/fusion: container fusion: terminationGracePeriodSeconds 30 is not above preStop 5 + SHUTDOWN_SECONDS 25",
  ],
  [
    "a Service that selects no pods",
    "selector: { app: fusion }\n  ports",
    "selector: { app: fuson }\n  ports",
    'Service/fusion: its selector {"app":"fuson"} matches the pods of none, expected those of one workload',
  ],
  [
    "a Service without a selector",
    "selector: { app: fusion }\n  ports",
    "ports",
    "Service/fusion: its selector undefined matches the pods of none, expected those of one workload",
  ],
  [
    "a Service that selects the pods of two workloads",
    "template:\n    metadata: { labels: { app: redis } }",
    "template:\n    metadata: { labels: { app: fusion } }",
    'StatefulSet/redis: its selector {"app":"redis"} does not match the labels of its pods',
    'Service/fusion: its selector {"app":"fusion"} matches the pods of fusion, redis, expected those of one workload',
    'Service/redis: its selector {"app":"redis"} matches the pods of none, expected those of one workload',
  ],
  [
    "a Service port out of range, to a port that nobody declares",
    "ports: [{ name: http, port: 80, targetPort: http }]",
    "ports: [{ name: http, port: 0, targetPort: web }]",
    "Service/fusion: port 0 is not from 1 to 65535",
    "Service/fusion: targetPort web is declared by no container",
  ],
  [
    "a Service port that is offered twice",
    "ports: [{ port: 6379 }]",
    "ports: [{ port: 6379 }, { port: 6379 }]",
    "Service/redis: port 6379 is offered twice",
  ],
  [
    "a disruption budget of no pods",
    "minAvailable: 1\n  selector: { matchLabels: { app: fusion } }",
    "minAvailable: 1\n  selector: { matchLabels: { app: other } }",
    'PodDisruptionBudget/fusion: its selector {"app":"other"} matches no pods',
  ],
  [
    "a disruption budget that spares every pod",
    "minAvailable: 1",
    "minAvailable: 2",
    "PodDisruptionBudget/fusion: it never allows an eviction (2 replicas), so a node cannot be drained",
  ],
  [
    "a disruption budget of nothing",
    "minAvailable: 1",
    "maxUnavailable: 0",
    "PodDisruptionBudget/fusion: it never allows an eviction (2 replicas), so a node cannot be drained",
  ],
];

describe("the check names", () => {
  test.each(MISTAKES)("%s", (_title, from, to, ...problems) => {
    expect(problemsOf(broken(from, to))).toEqual(problems);
  });
});

test("text that is not YAML is refused, not skipped", () => {
  expect(() => parseManifests("kind: [Service")).toThrow(/flow sequence/i);
});
