"""`leukodiff models`: the shipped models and what they say of themselves."""

import click


@click.command()
def models() -> None:
    """List the shipped models, each checked against its own checksum."""
    from leukodiff.classifier.infer import SHIPPED as CLASSIFIER
    from leukodiff.detector.infer import SHIPPED as DETECTOR
    from leukodiff.runtime.model import checked_metadata

    from .console import show_table

    rows = []
    for kind, path in (("detector", DETECTOR), ("classifier", CLASSIFIER)):
        facts = checked_metadata(path, kind)
        data = ", ".join(dict.fromkeys(str(one.get("name", "?")) for one in facts.training_data))
        size = f"{path.stat().st_size / 1e6:.1f}"
        scale = f"{facts.um_per_px:.4g}"
        rows.append((kind, facts.name, facts.version, size, scale, data, facts.sha256[:12]))
    columns = ("kind", "name", "version", "MB", "um/px", "trained on", "sha256")
    show_table("shipped models, checksums right", columns, rows)
    click.echo(f"{DETECTOR.parent}\n{CLASSIFIER.parent}")
