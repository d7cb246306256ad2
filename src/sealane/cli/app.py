"""The commands, their options and their help."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from sealane import __version__
from sealane.cluster.state import DEFAULT_NAME

app = typer.Typer(
    help="All of Kubernetes networking, running for real on this machine, in about a second.",
    epilog=(
        "Start with: sealane up examples/shop. "
        "Exit codes: 0 done (or allowed), 1 not (denied, not ready, a disagreement), 2 bad input, "
        "3 this machine lacks something, 4 no such cluster."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # brackets in help are brackets
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Output(StrEnum):
    table = "table"
    json = "json"


Name = Annotated[str, typer.Option("--name", envvar="SEALANE_NAME", help="Which cluster.", show_default=True)]
Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH]...", help="Manifest files, folders of them, or - for standard input."),
]
Nodes = Annotated[
    int | None,
    typer.Option(
        "--nodes", min=1, max=200, help="How many nodes; 3, or as many as a kept cluster had.", show_default=False
    ),
]
Populate = Annotated[
    bool, typer.Option("--populate", help="Make a stand-in Deployment for each selector that matches no pod.")
]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Apply what is right although some of it is wrong.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0,
        help="Seconds to wait until everything is ready; 60, and what probes ask for themselves.",
        show_default=False,
    ),
]
Upstream = Annotated[
    str | None,
    typer.Option(
        "--dns-upstream",
        metavar="host|none|ADDRESS[:PORT]",
        help="Who answers names outside the cluster: this machine's resolvers (host), nobody, or a server.",
        show_default=False,
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="etcd://HOST:PORT",
        help="Keep the objects in etcd v3 instead of the cluster's folder: etcd://HOST:PORT[,…][/PREFIX]"
        "[?ca=FILE&cert=FILE&key=FILE&user=NAME&password-file=FILE].",
        show_default=False,
    ),
]
StrictProbes = Annotated[
    bool | None,
    typer.Option(
        "--strict-probes/--no-strict-probes",
        help="Run exec probes of stand-ins on the files of this machine, instead of taking them as passed.",
        show_default=False,
    ),
]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of names that have none.")]
Into = Annotated[
    str,
    typer.Option(
        "--namespace", "-n", help="Namespace of objects that name none; made when it is not there.", show_default=False
    ),
]
GatewayClasses = Annotated[
    list[str] | None,
    typer.Option("--gateway-class", metavar="CLASS", help="Serve this GatewayClass, whoever controls it elsewhere."),
]
IngressClasses = Annotated[
    list[str] | None,
    typer.Option("--ingress-class", metavar="CLASS", help="Serve this IngressClass, whoever controls it elsewhere."),
]
Context = Annotated[
    str, typer.Option("--context", metavar="CTX", help="A live cluster: this context of your kubeconfig.")
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How the answer is written.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"sealane {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


@app.command()
def up(
    paths: Paths = None,
    nodes: Nodes = None,
    populate: Populate = False,
    keep_going: KeepGoing = False,
    name: Name = DEFAULT_NAME,
    timeout: Timeout = None,
    dns_upstream: Upstream = None,
    store: StoreOption = None,
    strict_probes: StrictProbes = None,
    allow_host: Annotated[
        bool, typer.Option("--allow-host", help="Let privileged containers change this machine (docs/security.md).")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Let no other user of this machine into the cluster's network.")
    ] = False,
    namespace: Into = "",
    gateway_class: GatewayClasses = None,
    ingress_class: IngressClasses = None,
    output: OutputOption = Output.table,
) -> None:
    """Start a cluster (or use the one that runs), apply the manifests, wait until they are ready, say what is where."""
    from sealane.cli import up as command

    options = command.UpOptions(
        nodes,
        dns_upstream,
        populate,
        keep_going,
        timeout,
        store,
        strict_probes,
        allow_host or None,
        private or None,
        namespace,
        tuple(gateway_class or ()),
        tuple(ingress_class or ()),
    )
    raise typer.Exit(command.up(paths or [], options, name, as_json=output is Output.json))


@app.command()
def down(
    name: Name = DEFAULT_NAME,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the objects for the next up.")] = False,
    every: Annotated[bool, typer.Option("--all", help="All clusters of this user.")] = False,
) -> None:
    """Stop a cluster and leave nothing of it behind."""
    from sealane.cli import down as command

    raise typer.Exit(command.down(name, keep=keep, every=every))


snapshots = typer.Typer(help="All objects of a cluster in one file, and back.", no_args_is_help=True)
app.add_typer(snapshots, name="snapshot")


@snapshots.command()
def save(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; a file that only you can read.")],
    name: Name = DEFAULT_NAME,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE when it is there.")] = False,
) -> None:
    """Write every object of a cluster to FILE, as of one moment, while it runs or is stopped."""
    from sealane.cli import snapshot as command

    raise typer.Exit(command.save(name, file, force=force))


@snapshots.command()
def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `snapshot save` wrote.")],
    name: Name = DEFAULT_NAME,
    store: Annotated[str, typer.Option("--store", metavar="etcd://HOST:PORT", help="As in up.")] = "",
) -> None:
    """Put the objects in FILE into a new or stopped cluster, in place of its own. The next `up` starts with them."""
    from sealane.cli import snapshot as command

    raise typer.Exit(command.restore(name, file, store))


@app.command()
def run(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]... -- CMD [ARG]...", help="Manifests, then the command.")
    ] = None,
    nodes: Nodes = None,
    populate: Populate = False,
    name: Annotated[
        str, typer.Option("--name", help="Use this cluster (started when it does not run) and leave it running.")
    ] = "",
    timeout: Timeout = None,
    dns_upstream: Upstream = None,
    namespace: Into = "",
    gateway_class: GatewayClasses = None,
    ingress_class: IngressClasses = None,
) -> None:
    """Start a cluster, run CMD outside of it (as on a user's laptop) with KUBECONFIG set, stop it. CMD's exit code."""
    from sealane.cli import run as command
    from sealane.cli.up import UpOptions

    options = UpOptions(
        nodes,
        dns_upstream,
        populate,
        False,
        timeout,
        namespace=namespace,
        gateway_classes=tuple(gateway_class or ()),
        ingress_classes=tuple(ingress_class or ()),
    )
    raise typer.Exit(command.run(arguments or [], options, name))


@app.command()
def outside(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which cluster.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD [ARG]...", help="Any program of this machine.")],
) -> None:
    """Run CMD outside of a running cluster (as on a user's laptop) with KUBECONFIG set. CMD's exit code."""
    from sealane.cli import run as run_command

    raise typer.Exit(run_command.run_outside(name, command))


@app.command()
def status(
    name: Annotated[str, typer.Option("--name", envvar="SEALANE_NAME", help="Only this cluster.")] = "",
    context: Context = "",
    output: OutputOption = Output.table,
) -> None:
    """Processes, nodes, pods, and where everything can be reached from this machine; or what a live cluster has."""
    if context:
        from sealane.cli import live

        raise typer.Exit(live.status(context, as_json=output is Output.json))
    from sealane.cli import status as command

    raise typer.Exit(command.status(name, as_json=output is Output.json))


@app.command()
def kubeconfig(name: Name = DEFAULT_NAME) -> None:
    """Print the path of the cluster's kubeconfig: export KUBECONFIG=$(sealane kubeconfig)."""
    from sealane.cli import status as command

    raise typer.Exit(command.kubeconfig(name))


@app.command(name="exec")
def exec_(
    pod: Annotated[str, typer.Argument(help="A pod, or deploy/NAME, sts/NAME, svc/NAME, …: one ready pod of it.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD [ARG]...", help="Any program of this machine.")],
    namespace: Namespace = "default",
    container: Annotated[str, typer.Option("--container", "-c", help="Which container.")] = "",
    name: Name = DEFAULT_NAME,
) -> None:
    """Run a command inside a pod's network, with its DNS, its hosts file and its variables. CMD's exit code."""
    from sealane.cli import inside

    raise typer.Exit(inside.exec_(name, namespace, pod, container, command))


@app.command()
def logs(
    pod: Annotated[str, typer.Argument(help="A pod, or deploy/NAME and so on: one pod of it.")],
    namespace: Namespace = "default",
    container: Annotated[str, typer.Option("--container", "-c", help="Which container.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing what comes.")] = False,
    tail: Annotated[int, typer.Option("--tail", help="Only the last lines; -1 is all.")] = -1,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the container before its restart.")] = False,
    name: Name = DEFAULT_NAME,
) -> None:
    """Print what a container wrote; for a stand-in, one line for each request it answered."""
    from sealane.cli import inside

    raise typer.Exit(inside.logs(name, namespace, pod, container, follow=follow, tail=tail, previous=previous))


@app.command()
def trace(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="A pod, deploy/NAME, node/NAME, outside, or an address.")
    ],
    target: Annotated[str, typer.Argument(metavar="TO", help="A pod, svc/NAME, DNS name, URL, or ADDRESS:PORT.")],
    paths: Paths = None,
    namespace: Namespace = "default",
    port: Annotated[str, typer.Option("--port", "-p", help="Port, or PORT/udp, where TO names none.")] = "",
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Also the smallest change of policies that would allow it.")
    ] = False,
    name: Name = DEFAULT_NAME,
    context: Context = "",
    output: OutputOption = Output.table,
) -> None:
    """What happens to this packet, hop by hop, and which line of which manifest causes it.

    Exit codes: 0 allowed, 1 denied, 6 unknown (a policy of a kind that is not modelled).
    """
    from sealane.cli import explain

    raise typer.Exit(
        explain.trace(
            source,
            target,
            paths or [],
            namespace,
            port,
            name,
            context,
            as_json=output is Output.json,
            suggest=suggest,
        )
    )


class Form(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    dot = "dot"


@app.command()
def reach(
    paths: Paths = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Only what starts or ends there; all without it.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", "-A", help="With the cluster's own pods.")] = False,
    name: Name = DEFAULT_NAME,
    context: Context = "",
    output: Annotated[Form, typer.Option("--output", "-o", help="How to write it.")] = Form.table,
) -> None:
    """Who can reach whom: every workload's way to every other's ports, as policies have it."""
    from sealane.cli import explain

    raise typer.Exit(explain.reach(paths or [], namespace, name, context, output.value, everything=everything))


@app.command()
def verify(
    name: Name = DEFAULT_NAME,
    output: OutputOption = Output.table,
) -> None:
    """Probe every pair of pods of the running cluster with packets; compare with the prediction. 0 all agree."""
    from sealane.cli import explain

    raise typer.Exit(explain.verify(name, as_json=output is Output.json))
