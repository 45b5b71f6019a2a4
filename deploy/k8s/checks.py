"""Holds objects of Kubernetes against its schemas and against what Turnpike asks of them.

    checks.py FILE...    each what `kustomize build` prints for one folder
    checks.py            base and overlays as they are written: without kustomize, and so without patches and names of images

Prints a line for each finding and ends with 1 if there is one. `deploy/k8s/check` calls it.
"""

import functools
import json
import re
import sys
from pathlib import Path

import kubernetes_validate
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# The oldest version that has all we use, and the newest that the schemas are there of.
VERSIONS = ["1.31", "1.37"]
# Kinds with pods, and where their pods' template is.
WORKLOADS = {"Deployment", "StatefulSet", "Job"}
# Names that must not come with a value, in variables and ConfigMaps; `..._FILE` and the like only name a place.
SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|HEADERS|PROPERTIES)$")
SECRET_VALUE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|://[^/@\s]+:[^/@\s]+@|(password|secret)\s*=\s*\S", re.IGNORECASE)
# Folders that ConfigMaps take the place of in the image, and the files of the repository that belong there.
FOLDERS = {
    "/etc/turnpike/deploy/connectors": ("deploy/connectors", ["*.json"]),
    "/etc/turnpike/schemas": ("schemas", ["*.avsc", "*.contract.json"]),
}


@functools.cache
def known_variables():
    """The variables that the programs read, from their sources, and those that name a file with the value."""
    sources = [path.read_text() for path in ROOT.glob("*/*/src/**/*.rs")]
    names = {name for text in sources for name in re.findall(r'\benv\s*=\s*"((?:TURNPIKE|OTEL)_[A-Z_]+)"', text)}
    return names | {f"{name}_FILE" for name in names} | {"OTEL_RESOURCE_ATTRIBUTES"}


@functools.cache
def documented_secrets():
    """The Secrets that the README tells to make."""
    return set(re.findall(r"create secret generic (\S+)", (HERE / "README.md").read_text()))


class Objects:
    """The objects that are applied together."""

    def __init__(self, documents):
        self.all = [document for document in documents if document]
        self.findings = []

    def of(self, *kinds):
        return [thing for thing in self.all if thing["kind"] in kinds]

    def named(self, kind, name):
        return next((thing for thing in self.of(kind) if thing["metadata"]["name"] == name), None)

    def check(self, holds, thing, message):
        if not holds:
            self.findings.append(f"{thing['kind']} {thing['metadata']['name']}: {message}")

    def pods(self):
        """Each workload with its pods' template."""
        return [(thing, thing["spec"]["template"]) for thing in self.of(*WORKLOADS)]

    def selected(self, labels):
        """The templates that have all these labels."""
        return [template for _, template in self.pods() if labels.items() <= labels_of(template).items()]


def labels_of(thing):
    return thing["metadata"].get("labels", {})


def check(documents):
    """What is wrong with objects that are applied together."""
    objects = Objects(documents)
    for thing in objects.all:
        check_schema(objects, thing)
    # What has another form than Kubernetes' own would only fail again, further on.
    if objects.findings:
        return objects.findings
    for workload, template in objects.pods():
        check_labels(objects, workload, template)
        check_pod(objects, workload, template["spec"])
        for container in containers_of(template["spec"]):
            check_container(objects, workload, container)
        check_references(objects, workload, template["spec"])
    check_selectors(objects)
    check_scaling(objects)
    check_settings(objects)
    return objects.findings


def check_schema(objects, thing):
    for error in schema_errors(json.dumps(thing)):
        objects.check(False, thing, error)


@functools.cache
def schema_errors(text):
    """What is wrong with the form of an object, which is given as JSON so that the same one is looked at once."""
    errors = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(json.loads(text), version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path) or "the object"
            errors.append(f"{where}: {error.message} (Kubernetes {version})")
        except kubernetes_validate.SchemaNotFoundError as error:
            errors.append(error.message)
    return errors


def containers_of(pod):
    return pod.get("initContainers", []) + pod["containers"]


def check_labels(objects, workload, template):
    labels = labels_of(template)
    for label in ["name", "component", "part-of"]:
        label = f"app.kubernetes.io/{label}"
        objects.check(label in labels and label in labels_of(workload), workload, f"has no label {label}")
    if workload["kind"] != "Job":
        selector = workload["spec"]["selector"].get("matchLabels", {})
        objects.check(selector and selector.items() <= labels.items(), workload, "selects other pods than its own")
        of_pods = template["metadata"].get("annotations", {})
        ports = {str(port["containerPort"]) for one in containers_of(template["spec"]) for port in one.get("ports", [])}
        scraped = of_pods.get("prometheus.io/scrape") == "true" and of_pods.get("prometheus.io/port") in ports
        objects.check(scraped, workload, "has no annotations that let Prometheus find a port of it")


def check_pod(objects, workload, pod):
    def must(holds, message):
        objects.check(holds, workload, message)

    security = pod.get("securityContext", {})
    must(security.get("runAsNonRoot") is True, "runAsNonRoot is not true")
    must(security.get("runAsUser", 0) != 0 and security.get("runAsGroup", 0) != 0, "runs as root, or as whoever the image says")
    must(security.get("seccompProfile", {}).get("type") == "RuntimeDefault", "has no seccompProfile RuntimeDefault")
    must(pod.get("automountServiceAccountToken") is False, "gets a token for Kubernetes, which it does not need")
    must(pod.get("enableServiceLinks") is False, "gets variables of Services, which could be taken for settings")
    for host in ["hostNetwork", "hostPID", "hostIPC"]:
        must(not pod.get(host), f"has {host}")
    for volume in pod.get("volumes", []):
        must("hostPath" not in volume, f"mounts {volume['name']} from the node")
    if workload["kind"] != "Job":
        must(pod.get("terminationGracePeriodSeconds", 0) > 10, "is killed before it has drained, which may take 10 s")


def check_container(objects, workload, container):
    def must(holds, message):
        objects.check(holds, workload, f"container {container['name']}: {message}")

    name, _, tag = container.get("image", "").rpartition("/")[2].partition(":")
    must(name and tag not in ("", "latest") or "@sha256:" in container.get("image", ""), "its image has no tag, or latest")
    security = container.get("securityContext", {})
    must(security.get("readOnlyRootFilesystem") is True, "can write to its image")
    must(security.get("allowPrivilegeEscalation") is False, "can gain privileges")
    must(security.get("capabilities") == {"drop": ["ALL"]}, "does not drop all capabilities")
    must(not security.get("privileged"), "is privileged")
    must(security.get("runAsNonRoot", True) and security.get("runAsUser", 1) != 0, "runs as root")
    for bound in ["requests", "limits"]:
        given = container.get("resources", {}).get(bound, {})
        must({"cpu", "memory"} <= given.keys(), f"has no {bound} of cpu and memory")
    ports = {port.get("name") for port in container.get("ports", [])}
    if workload["kind"] != "Job":
        for probe, path in [("startupProbe", "live"), ("livenessProbe", "live"), ("readinessProbe", "ready")]:
            asked = container.get(probe, {}).get("httpGet", {})
            must(asked.get("path") == f"/health/{path}", f"{probe} does not ask /health/{path}")
            must(asked.get("port") in ports, f"{probe} asks a port that the container does not name")


def check_references(objects, workload, pod):
    def must(holds, message):
        objects.check(holds, workload, message)

    account = pod.get("serviceAccountName", "default")
    must(objects.named("ServiceAccount", account), f"there is no ServiceAccount {account}")
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    maps, secrets = [], []
    for volume in volumes.values():
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            maps += [source["configMap"].get("name")] if "configMap" in source else []
            if "secret" in source:
                secrets.append(source["secret"].get("secretName") or source["secret"].get("name"))
    for container in containers_of(pod):
        for mount in container.get("volumeMounts", []):
            must(mount["name"] in volumes, f"mounts {mount['name']}, which is no volume")
            must(mount.get("readOnly") is True or "emptyDir" in volumes.get(mount["name"], {}), f"can write to {mount['name']}")
            if mount["mountPath"] in FOLDERS and mount["name"] in volumes:
                folder, patterns = FOLDERS[mount["mountPath"]]
                files = {path.name for pattern in patterns for path in (ROOT / folder).glob(pattern)}
                held = objects.named("ConfigMap", volumes[mount["name"]].get("configMap", {}).get("name")) or {}
                must(held.get("data", {}).keys() == files, f"{mount['mountPath']} has not the files of {folder}")
        for source in container.get("envFrom", []):
            maps += [source["configMapRef"]["name"]] if "configMapRef" in source else []
            secrets += [source["secretRef"]["name"]] if "secretRef" in source else []
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            maps += [source["configMapKeyRef"]["name"]] if "configMapKeyRef" in source else []
            must("secretKeyRef" not in source, f"{variable['name']} is a secret in the environment: mount it, and name the file")
    must(not [one for container in containers_of(pod) for one in container.get("envFrom", []) if "secretRef" in one],
         "has a whole Secret in its environment: mount it, and name the file")
    for name in maps:
        must(objects.named("ConfigMap", name), f"there is no ConfigMap {name}")
    for name in secrets:
        must(name in documented_secrets(), f"README.md does not tell to make the Secret {name}")


def check_selectors(objects):
    for service in objects.of("Service"):
        pods = objects.selected(service["spec"].get("selector") or {})
        objects.check(pods, service, "selects no pod")
        names = [{port.get("name") for one in containers_of(pod["spec"]) for port in one.get("ports", [])} for pod in pods]
        for port in service["spec"].get("ports", []):
            there = all(port.get("targetPort") in ports for ports in names)
            objects.check(there, service, f"no pod of it names a port {port.get('targetPort')}")
    for budget in objects.of("PodDisruptionBudget"):
        objects.check(objects.selected(budget["spec"]["selector"]["matchLabels"]), budget, "selects no pod")
    for workload in objects.of("StatefulSet"):
        name = workload["spec"]["serviceName"]
        service = objects.named("Service", name)
        headless = service and service["spec"].get("clusterIP") == "None"
        objects.check(headless, workload, f"there is no Service {name} without an address of its own")
        guarded = [pdb for pdb in objects.of("PodDisruptionBudget")
                   if pdb["spec"]["selector"]["matchLabels"].items() <= labels_of(workload["spec"]["template"]).items()]
        objects.check(guarded, workload, "no PodDisruptionBudget counts its pods")
        spread = {one["topologyKey"] for one in workload["spec"]["template"]["spec"].get("topologySpreadConstraints", [])}
        objects.check("kubernetes.io/hostname" in spread, workload, "may have all its pods on one node")
    policies = objects.of("NetworkPolicy")
    for policy in policies:
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        pods = objects.selected(selector)
        objects.check(pods or not objects.of(*WORKLOADS), policy, "selects no pod")
        named = [port["port"] for rule in policy["spec"].get("ingress", []) for port in rule.get("ports", [])
                 if isinstance(port.get("port"), str)]
        there = {port.get("name") for pod in pods for one in containers_of(pod["spec"]) for port in one.get("ports", [])}
        objects.check(set(named) <= there, policy, f"no pod names a port {', '.join(named)}")
    everything = [policy for policy in policies if not policy["spec"]["podSelector"]
                  and set(policy["spec"].get("policyTypes", [])) == {"Ingress", "Egress"}
                  and not policy["spec"].get("ingress") and not policy["spec"].get("egress")]
    if objects.of(*WORKLOADS) and not everything:
        objects.findings.append("no NetworkPolicy denies what the others do not allow")


def check_scaling(objects):
    partitions = [int(one["data"]["TURNPIKE_PARTITIONS"]) for one in objects.of("ConfigMap")
                  if "TURNPIKE_PARTITIONS" in one.get("data", {})]
    for scaler in objects.of("HorizontalPodAutoscaler"):
        of = scaler["spec"]["scaleTargetRef"]
        target = objects.named(of["kind"], of["name"])
        objects.check(target, scaler, f"there is no {of['kind']} {of['name']}")
        objects.check("replicas" not in (target or {"spec": {}})["spec"], scaler, "its target says `replicas` too")
        most = scaler["spec"]["maxReplicas"]
        objects.check(partitions and most <= min(partitions), scaler, f"{most} instances are more than there are partitions")


def check_settings(objects):
    known = known_variables()
    for secret in objects.of("Secret"):
        objects.check(False, secret, "a secret does not belong in the repository")
    given = [(one, name, value) for one in objects.of("ConfigMap") for name, value in one.get("data", {}).items()]
    given += [(workload, one["name"], one.get("value")) for workload, template in objects.pods()
              for container in containers_of(template["spec"]) for one in container.get("env", [])]
    for thing, name, value in given:
        objects.check(value is None or not SECRET.search(name), thing, f"{name} is a secret, and has a value")
        objects.check(not SECRET_VALUE.search(value or ""), thing, f"{name} holds what looks like a secret")
        objects.check(value != "", thing, f"{name} is empty: leave it out")
        if name.startswith(("TURNPIKE_", "OTEL_")):
            objects.check(name in known, thing, f"no program reads {name}")


def as_written(folder):
    """A folder's objects without kustomize: the files themselves, and the ConfigMaps that would be made. Patches are left out."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    documents = []
    for resource in kustomization.get("resources", []) + kustomization.get("components", []):
        path = folder / resource
        documents += as_written(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for made in kustomization.get("configMapGenerator", []):
        data = dict(literal.split("=", 1) for literal in made.get("literals", []))
        data |= {Path(file).name: (folder / file).read_text() for file in made.get("files", [])}
        if made.get("behavior") == "merge":
            Objects(documents).named("ConfigMap", made["name"])["data"] |= data
        else:
            documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": made["name"]}, "data": data})
    for made in kustomization.get("secretGenerator", []):
        documents.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": made["name"]}})
    return documents


def main(files):
    sources = {Path(file).stem: list(yaml.safe_load_all(Path(file).read_text())) for file in files}
    if not sources:
        sources = {folder.name: as_written(folder) for folder in [HERE / "base", *sorted(HERE.glob("overlays/*"))]}
    failed = False
    for name, documents in sources.items():
        findings = check(documents)
        failed |= bool(findings)
        for finding in findings:
            print(f"deploy/k8s, {name}: {finding}")
        if not findings:
            print(f"deploy/k8s, {name}: {len(documents)} objects are well (Kubernetes {' and '.join(VERSIONS)})")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
