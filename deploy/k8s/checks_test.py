"""Each fault that `checks.py` is there for is found: one is put into objects that are well, and must be told."""

import contextlib
import copy
import io
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

import checks


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.well = checks.as_written(checks.HERE / "overlays/production")

    def setUp(self):
        self.documents = copy.deepcopy(self.well)
        self.validator = self.named("StatefulSet", "validator")
        self.pod = self.validator["spec"]["template"]["spec"]
        self.container = self.pod["containers"][0]

    def named(self, kind, name):
        return checks.Objects(self.documents).named(kind, name)

    def finds(self, part):
        findings = checks.check(self.documents)
        self.assertTrue(any(part in finding for finding in findings), f"{part!r} is not in {findings}")

    def test_what_is_well_has_no_findings(self):
        self.assertEqual(checks.check(self.documents), [])

    def test_wrong_api_version(self):
        self.validator["apiVersion"] = "apps/v1beta1"
        self.finds("Couldn't find schema for kind StatefulSet with api version apps/v1beta1")

    def test_unknown_field(self):
        self.container["imagePullPolice"] = "Always"
        self.finds("'imagePullPolice' was unexpected")

    def test_wrong_type(self):
        self.validator["spec"]["minReadySeconds"] = "5"
        self.finds("spec.minReadySeconds: '5' is not of type 'integer'")

    def test_variable_that_is_a_number(self):
        self.named("Deployment", "toll-generator")["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = 80
        self.finds("80 is not of type 'string'")

    def test_selector_of_other_pods(self):
        self.validator["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] = "judge"
        self.finds("StatefulSet validator: selects other pods than its own")

    def test_missing_label(self):
        del self.validator["metadata"]["labels"]["app.kubernetes.io/component"]
        self.finds("has no label app.kubernetes.io/component")

    def test_unscraped(self):
        self.validator["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] = "9090"
        self.finds("has no annotations that let Prometheus find a port")

    def test_config_map_that_is_not_there(self):
        self.pod["volumes"][0]["configMap"]["name"] = "contract"
        self.finds("there is no ConfigMap contract")

    def test_settings_that_are_not_there(self):
        self.container["envFrom"][0]["configMapRef"]["name"] = "setting"
        self.finds("there is no ConfigMap setting")

    def test_file_that_the_config_map_lacks(self):
        del self.named("ConfigMap", "connectors")["data"]["toll-passages.json"]
        self.finds("/etc/turnpike/deploy/connectors has not the files of deploy/connectors")

    def test_volume_that_is_not_there(self):
        self.container["volumeMounts"][0]["name"] = "contract"
        self.finds("mounts contract, which is no volume")

    def test_account_that_is_not_there(self):
        self.pod["serviceAccountName"] = "turnpik"
        self.finds("there is no ServiceAccount turnpik")

    def test_undocumented_secret(self):
        self.pod["volumes"][1]["secret"]["secretName"] = "kafka"
        self.finds("README.md does not tell to make the Secret kafka")

    def test_port_of_a_service(self):
        self.named("Service", "validator")["spec"]["ports"][0]["targetPort"] = "web"
        self.finds("Service validator: no pod of it names a port web")

    def test_service_without_pods(self):
        self.named("Service", "validator")["spec"]["selector"]["app.kubernetes.io/name"] = "judge"
        self.finds("Service validator: selects no pod")

    def test_service_of_a_stateful_set(self):
        self.validator["spec"]["serviceName"] = "judge"
        self.finds("there is no Service judge")

    def test_port_of_a_probe(self):
        self.container["readinessProbe"]["httpGet"]["port"] = "web"
        self.finds("readinessProbe asks a port that the container does not name")

    def test_missing_probe(self):
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
            with self.subTest(probe):
                self.setUp()
                del self.container[probe]
                self.finds(f"{probe} does not ask")

    def test_liveness_that_asks_for_readiness(self):
        self.container["livenessProbe"]["httpGet"]["path"] = "/health/ready"
        self.finds("livenessProbe does not ask /health/live")

    def test_missing_security_context(self):
        del self.container["securityContext"]
        self.finds("container validator: can write to its image")
        self.finds("container validator: does not drop all capabilities")

    def test_root(self):
        self.pod["securityContext"]["runAsUser"] = 0
        self.finds("runs as root")

    def test_root_in_a_container(self):
        self.container["securityContext"]["runAsUser"] = 0
        self.finds("container validator: runs as root")

    def test_pod_security(self):
        for name in ["runAsNonRoot", "seccompProfile"]:
            with self.subTest(name):
                self.setUp()
                del self.pod["securityContext"][name]
                self.finds(name)

    def test_capability(self):
        self.container["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]
        self.finds("does not drop all capabilities")

    def test_token(self):
        del self.pod["automountServiceAccountToken"]
        self.finds("gets a token for Kubernetes")

    def test_node_folder(self):
        self.pod["volumes"].append({"name": "node", "hostPath": {"path": "/"}})
        self.finds("mounts node from the node")

    def test_image_without_tag(self):
        for image in ["turnpike/validator", "turnpike/validator:latest", "localhost:5000/validator"]:
            with self.subTest(image):
                self.container["image"] = image
                self.finds("its image has no tag")

    def test_unbounded(self):
        del self.container["resources"]["limits"]["memory"]
        self.finds("has no limits of cpu and memory")

    def test_killed_while_draining(self):
        self.pod["terminationGracePeriodSeconds"] = 10
        self.finds("is killed before it has drained")

    def test_secret_object(self):
        self.documents.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "eA=="}})
        self.finds("Secret s: a secret does not belong in the repository")

    def test_secret_variable(self):
        self.container["env"].append({"name": "TURNPIKE_SCHEMA_REGISTRY_PASSWORD", "value": "x"})
        self.finds("TURNPIKE_SCHEMA_REGISTRY_PASSWORD is a secret, and has a value")

    def test_secret_in_the_environment(self):
        key = {"secretKeyRef": {"name": "turnpike-mariadb", "key": "password"}}
        self.container["env"].append({"name": "TURNPIKE_MARIADB_PASSWORD", "valueFrom": key})
        self.finds("is a secret in the environment")

    def test_secret_setting(self):
        for name, value in [("TURNPIKE_KAFKA_PROPERTIES", "sasl.username=a"), ("TURNPIKE_MARIADB_URL", "jdbc:mariadb://h?password=x"),
                            ("TURNPIKE_SCHEMA_REGISTRY_URL", "http://user:word@registry")]:
            with self.subTest(name):
                self.setUp()
                self.named("ConfigMap", "settings")["data"][name] = value
                self.finds(name)

    def test_empty_setting(self):
        self.named("ConfigMap", "settings")["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"] = ""
        self.finds("OTEL_EXPORTER_OTLP_ENDPOINT is empty")

    def test_misspelt_setting(self):
        self.named("ConfigMap", "settings")["data"]["TURNPIKE_PARTITION"] = "4"
        self.finds("no program reads TURNPIKE_PARTITION")

    def test_more_instances_than_partitions(self):
        self.named("HorizontalPodAutoscaler", "validator")["spec"]["maxReplicas"] = 5
        self.finds("5 instances are more than there are partitions")

    def test_autoscaler_of_nothing(self):
        self.named("HorizontalPodAutoscaler", "validator")["spec"]["scaleTargetRef"]["kind"] = "Deployment"
        self.finds("there is no Deployment validator")

    def test_two_who_scale(self):
        self.validator["spec"]["replicas"] = 2
        self.finds("its target says `replicas` too")

    def test_budget_of_nothing(self):
        self.named("PodDisruptionBudget", "validator")["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] = "judge"
        self.finds("PodDisruptionBudget validator: selects no pod")
        self.finds("StatefulSet validator: no PodDisruptionBudget counts its pods")

    def test_open_network(self):
        self.documents.remove(self.named("NetworkPolicy", "default-deny"))
        self.finds("no NetworkPolicy denies")

    def test_policy_of_nothing(self):
        self.named("NetworkPolicy", "mariadb")["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] = "writer"
        self.finds("NetworkPolicy mariadb: selects no pod")

    def test_one_node_for_all(self):
        del self.pod["topologySpreadConstraints"]
        self.finds("may have all its pods on one node")

    def test_findings_end_with_failure(self):
        with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
            file = Path(folder, "bad.yaml")
            file.write_text("{apiVersion: v1, kind: Secret, metadata: {name: s}}")
            self.assertTrue(checks.main([str(file)]))
        self.assertEqual(printed.getvalue(), "deploy/k8s, bad: Secret s: a secret does not belong in the repository\n")


if __name__ == "__main__":
    unittest.main()
