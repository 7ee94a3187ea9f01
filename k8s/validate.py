#!/usr/bin/env python3
"""Renders the overlays and checks every object: those of Kubernetes strictly against its three newest versions, those of
operators against crds/. An unknown field fails. Then checks what no schema knows: that selectors find pods, and that names
which one object uses exist in another or are made by hand. Exit status 1 when anything is wrong.

    python3 -m venv .venv && .venv/bin/pip install kubernetes-validate==1.37.0
    .venv/bin/python k8s/validate.py [KUSTOMIZATION...]

It needs kubectl, and no cluster.
"""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent
VERSIONS = list(dict.fromkeys(kubernetes_validate.utils.all_versions()))[-3:]
SCHEMAS = [json.loads(path.read_text()) for path in sorted((ROOT / "crds").glob("*.json"))]
CUSTOM = {(s["properties"]["apiVersion"]["const"], s["title"]): s for s in SCHEMAS}

# What docs/deploy.md tells people to make, because it is secret or theirs.
MADE_BY_HAND = {
    ("ConfigMap", "pannier-jwks"),
    *(("Secret", name) for name in ["order-svc", "merchant-svc", "dispatch-svc", "migrate", "valkey", "postgresql-owner"]),
    *(("Secret", f"{name}-tls") for name in ["order-svc", "merchant-svc", "dispatch-svc", "postgresql", "rabbitmq", "valkey"]),
    *(("Secret", name) for name in ["rabbitmq-user", "pannier-public-tls", "backup-store"]),
}


def rendered(kustomization):
    """The objects of a kustomization."""
    text = subprocess.run(["kubectl", "kustomize", kustomization], check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(text))


def wrong_fields(thing):
    """Fields of one object that are unknown, missing or of the wrong type."""
    schema = CUSTOM.get((thing["apiVersion"], thing["kind"]))
    if schema is not None:
        errors = jsonschema.Draft202012Validator(schema).iter_errors(thing)
        return [f"{error.json_path}: {error.message}" for error in errors]
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"Kubernetes {version}: {error.json_path}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError:
            found.append(f"Kubernetes {version} does not know this kind, and crds/ has no schema for it")
    return found


def walk(value, key=None):
    """Every mapping inside a value, with the key that leads to it."""
    if isinstance(value, dict):
        yield key, value
        for k, v in value.items():
            yield from walk(v, k)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item, key)


def pods(things):
    """The labels of all pods, also of those that operators make."""
    for thing in things:
        spec, name = thing.get("spec", {}), thing["metadata"]["name"]
        own = thing["metadata"].get("labels", {})
        if thing["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield spec["template"]["metadata"]["labels"]
        elif thing["kind"] == "Cluster":
            yield {"cnpg.io/cluster": name, **spec["inheritedMetadata"]["labels"]}
        elif thing["kind"] == "Pooler":
            yield {"cnpg.io/poolerName": name, **spec["template"]["metadata"]["labels"]}
        elif thing["kind"] == "RabbitmqCluster":
            yield {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "rabbitmq", **own}


def used_names(thing):
    """(kind, name) of other objects that this one uses."""
    for key, value in walk(thing):
        match key:
            case "configMapRef" | "configMapKeyRef" | "configMap" if "name" in value:
                yield "ConfigMap", value["name"]
            case "secretKeyRef" | "secretRef" | "accessKeyId" | "secretAccessKey" | "externalSecret":
                yield "Secret", value["name"]
            case "secret" if "secretName" in value or "name" in value:
                yield "Secret", value.get("secretName") or value["name"]
            case "certificates":
                yield from (("Secret", name) for name in value.values())
            case "tls" if "secretName" in value:
                yield "Secret", value["secretName"]
            case "persistentVolumeClaim":
                yield "PersistentVolumeClaim", value["claimName"]
            case "service" if "port" in value:
                yield "Service", value["name"]
            case "scaleTargetRef":
                yield value.get("kind", "Deployment"), value["name"]
            case "cluster":
                yield "Cluster", value["name"]
        if "serviceAccountName" in value:
            yield "ServiceAccount", value["serviceAccountName"]


def wrong_names(thing, things):
    """Selectors that find no pod, and names that do not exist."""
    labels = list(pods(things))
    if thing["kind"] == "ServiceMonitor":
        labels = [t["metadata"].get("labels", {}) for t in things if t["kind"] == "Service"] + labels
    for key, value in walk(thing):
        if key == "namespaceSelector":
            continue
        wanted = value.get("matchLabels") if key in ("selector", "podSelector", "labelSelector") else None
        if key == "selector" and thing["kind"] == "Service":
            wanted = value
        # Pods in other namespaces are not here.
        foreign = thing["kind"] == "NetworkPolicy" and wanted is not None and any(
            wanted == peer.get("podSelector", {}).get("matchLabels") for _, peer in walk(thing) if "namespaceSelector" in peer
        )
        if wanted and not foreign and not any(wanted.items() <= pod.items() for pod in labels):
            yield f"no pod has the labels {wanted}"
    known = {(t["kind"], t["metadata"]["name"]) for t in things} | MADE_BY_HAND
    for kind, name in set(used_names(thing)) - known:
        yield f"{kind} {name} does not exist, and docs/deploy.md does not make it"


def main():
    for schema in SCHEMAS:
        jsonschema.Draft202012Validator.check_schema(schema)
    failed = False
    for kustomization in sys.argv[1:] or sorted(str(path.parent) for path in (ROOT / "overlays").glob("*/kustomization.yaml")):
        things = rendered(kustomization)
        wrong = [(thing, problem) for thing in things for problem in [*wrong_fields(thing), *wrong_names(thing, things)]]
        for thing, problem in wrong:
            print(f"{kustomization}: {thing['kind']} {thing['metadata']['name']}: {problem}")
        custom = sum((thing["apiVersion"], thing["kind"]) in CUSTOM for thing in things)
        print(f"{kustomization}: {len(things)} objects, {custom} of operators, {len(wrong)} problems ({', '.join(VERSIONS)})")
        failed = failed or bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
