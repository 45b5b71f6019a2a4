"""Reads OpenMetrics text from stdin with the parser of Prometheus' own client, and writes its samples as JSON.

A text that breaks the specification ends with the parser's error.
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def shown(sample, family):
    exemplar = sample.exemplar
    return {
        "family": family.name,
        "type": family.type,
        "unit": family.unit,
        "name": sample.name,
        "labels": sample.labels,
        "value": sample.value,
        "exemplar": exemplar and {**exemplar.labels, "value": exemplar.value},
    }


def main():
    families = text_string_to_metric_families(sys.stdin.read())
    json.dump([shown(sample, family) for family in families for sample in family.samples], sys.stdout)


if __name__ == "__main__":
    main()
