import re

from hypothesis import given
from hypothesis import strategies as st

from sealane.dataplane.envoy import bootstrap, clusters, config
from sealane.dataplane.envoy.filters.rewrite import path_edit
from sealane.dataplane.envoy.packing import pack
from sealane.kube.objects import Key
from sealane.network.routes.backends import BackendEndpoints, BackendKey
from sealane.network.routes.evaluate import path_matches
from sealane.network.routes.filters.rewrite import PathEdit
from sealane.network.routes.model.l4 import INGRESS_PROXY, OpenPort, PortKey
from sealane.network.routes.model.matches import PathMatch

GATEWAY = Key("gateway.networking.k8s.io", "Gateway", "shop", "web")


PATHS = st.lists(st.sampled_from(["a", "b", ""]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(
    PATHS, st.builds(PathMatch, st.sampled_from(["prefix", "exact"]), PATHS), PATHS, st.sampled_from(["full", "prefix"])
)
def test_rewrites_of_envoy_are_those_of_the_model(path: str, match: PathMatch, value: str, kind: str) -> None:
    if not path_matches(match, path) or (match.kind == "exact" and kind == "prefix"):
        return
    edit = PathEdit(kind, value)  # type: ignore[arg-type]
    prefix, pattern, substitution = path_edit(edit, match)
    if pattern:
        rewritten = re.sub(pattern, substitution, path, count=1)
    else:
        rewritten = prefix + path[len(match.value.rstrip("/")) :]
    assert rewritten == edit.apply(path, match)


def test_no_two_proxies_share_a_scope_prefix() -> None:
    managers = {
        pack(config.connection_manager(*of)).value for of in ((GATEWAY, 80), (GATEWAY, 8080), (INGRESS_PROXY, 80))
    }
    assert len(managers) == 3


def test_a_listener_is_in_its_pods_namespace_and_so_are_its_upstream_connections() -> None:
    made = config.listener("uid-1", "/run/netns/pod-uid-1", OpenPort(PortKey(GATEWAY, 80), ("http",)))
    assert made.address.socket_address.network_namespace_filepath == "/run/netns/pod-uid-1"
    assert b"/run/netns/pod-uid-1" in made.filter_chains[0].filters[0].typed_config.value


def test_h2c_backends_get_http2() -> None:
    def options(protocol: str) -> bytes:
        key = BackendKey(Key("", "Service", "shop", "cart"), 80)
        made = clusters.cluster(BackendEndpoints(key, (), protocol))
        value: bytes = made.typed_extension_protocol_options[
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        ].value
        return value

    assert options("kubernetes.io/h2c") == options("grpc") != options("") == options("kubernetes.io/ws")


def test_envoy_shares_nothing_with_another_envoy() -> None:
    argv = bootstrap.command("/state/xds.sock")
    assert argv[:3] == ["unshare", "--net", "--"]
    assert argv[3].endswith("/envoy")
    assert "--disable-hot-restart" in argv
    assert "admin" not in bootstrap.bootstrap("/state/xds.sock")
