"""What a container gets of the host's settings: all that helps it, nothing that is secret."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sandbox.trust import STAGING, HostTrust, TrustSettingError, read_host_trust
from tests.sandbox.authority import make_authority

HIDDEN = "pa55word-of-the-index"
INDEX = f"https://reader:{HIDDEN}@packages.example.org/simple"


@pytest.fixture(scope="session")
def private_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_authority(tmp_path_factory.mktemp("ca"))


class Host:
    """A host's settings, written into an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.home = folder / "home"
        self.variables: dict[str, str] = {}

    def write(self, path: str, text: str) -> None:
        target = self.home / path[2:] if path.startswith("~/") else self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def trust(self, **variables: str) -> HostTrust:
        return read_host_trust(
            {**self.variables, **variables},
            root=self.root, home=self.home, prefix=self.root / "python",
        )  # fmt: skip


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def carried(trust: HostTrust) -> dict[str, str]:
    """The files that go into an image, by their names."""
    files: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(trust.context("FROM x\n"))) as outer:
        inner = outer.extractfile("trust.tar")
        assert inner is not None
        with tarfile.open(fileobj=inner) as tar:
            for member in tar:
                data = tar.extractfile(member)
                assert data is not None
                name = member.name.removeprefix(STAGING.lstrip("/") + "/")
                files[name] = data.read().decode()
    files.pop("apply")
    return files


def test_a_host_without_settings_changes_nothing(host: Host) -> None:
    trust = host.trust()
    assert trust.empty
    assert trust.build_environment == {}


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"])
def test_an_authority_that_a_client_is_told_of_is_carried(
    host: Host, private_ca: Path, variable: str
) -> None:
    trust = host.trust(**{variable: str(private_ca)})
    assert len(trust.authorities) == 1
    assert trust.authorities[0] in trust.bundle
    assert "SSL_CERT_FILE" in trust.build_environment
    assert "cert = /etc/ssl/certs/ca-certificates.crt" in carried(trust)["etc/pip.conf"]
    assert "cafile=/etc/ssl/certs/ca-certificates.crt" in carried(trust)["etc/npmrc"]


def test_an_authority_in_the_systems_folder_is_carried(host: Host, private_ca: Path) -> None:
    host.write("usr/local/share/ca-certificates/corp/ours.crt", private_ca.read_text())
    assert len(host.trust().authorities) == 1


def test_a_private_key_beside_a_certificate_never_leaves_the_host(
    host: Host, private_ca: Path
) -> None:
    assert "PRIVATE KEY" in private_ca.read_text()
    context = host.trust(SSL_CERT_FILE=str(private_ca)).context("FROM x\n")
    assert b"PRIVATE KEY" not in context


def test_public_authorities_alone_are_nothing_special(host: Host) -> None:
    import certifi

    host.write("etc/ssl/certs/ca-certificates.crt", Path(certifi.where()).read_text())
    assert host.trust().empty


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00", b"-----BEGIN CERTIFICATE-----\n!\n-----END"]
)
def test_a_broken_bundle_is_passed_over(host: Host, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "broken").write_bytes(data)
    assert host.trust(SSL_CERT_FILE=str(tmp_path / "broken")).empty


def test_pip_is_told_what_pip_on_the_host_is_told(host: Host) -> None:
    host.write("etc/pip.conf", "[global]\nindex-url = https://old.example.org\ntimeout = 7\n")
    host.write("~/.config/pip/pip.conf", "[install]\nindex_url = https://user.example.org/simple\n")
    config = carried(host.trust(PIP_TRUSTED_HOST="user.example.org"))["etc/pip.conf"]
    assert config == (
        "[global]\nindex-url = https://user.example.org/simple\n"
        "timeout = 7\ntrusted-host = user.example.org\n"
    )


def test_uv_follows_pip_unless_it_has_indexes_of_its_own(host: Host) -> None:
    index = {"PIP_INDEX_URL": "https://p.example.org/simple"}
    assert "p.example.org" in carried(host.trust(**index))["etc/uv/uv.toml"]
    own = carried(host.trust(**index, UV_DEFAULT_INDEX="https://u.example.org/simple"))
    assert own["etc/uv/uv.toml"] == 'index-url = "https://u.example.org/simple"\n'


def test_indexes_that_a_container_cannot_have_are_left_out(host: Host) -> None:
    trust = host.trust(
        PIP_EXTRA_INDEX_URL="file:///opt/simple https://more.example.org/simple",
        PIP_FIND_LINKS="/opt/wheels",
        PIP_INDEX_URL="http://localhost:3141/root/pypi",
        http_proxy="http://127.0.0.1:3128",
    )
    assert carried(trust)["etc/pip.conf"] == (
        "[global]\nextra-index-url = https://more.example.org/simple\n"
    )
    assert trust.build_environment == {}
    assert len(trust.notes) == 4


def test_npm_is_told_what_npm_on_the_host_is_told(host: Host) -> None:
    host.write("~/.npmrc", "registry=https://npm.example.org/\nfund=false\n; comment=1\n")
    host.write(
        "etc/npmrc", "registry=https://old.example.org/\n@ours:registry=https://o.example/\n"
    )
    config = carried(host.trust(npm_config_fetch_timeout="90000"))["etc/npmrc"]
    assert config == (
        "@ours:registry=https://o.example/\nfetch-timeout=90000\nregistry=https://npm.example.org/\n"
    )


def test_a_mirror_of_debian_is_used_and_other_archives_are_not(host: Host) -> None:
    host.write("etc/apt/sources.list", "deb [arch=amd64] https://m.example/debian bookworm main\n")
    host.write(
        "etc/apt/sources.list.d/x.sources",
        "Types: deb\nURIs: https://m.example/debian-security\nSuites: bookworm-security\n\n"
        "Types: deb\nURIs: https://other.example/node\nSuites: nodistro\n",
    )
    config = host.trust().config
    assert config.apt_mirror == "https://m.example/debian"
    assert config.apt_security == "https://m.example/debian-security"


def test_debians_own_archive_is_nothing_special(host: Host) -> None:
    host.write("etc/apt/sources.list", "deb http://ftp.debian.org/debian bookworm main\n")
    assert host.trust().empty


def secretive(host: Host, **variables: str) -> HostTrust:
    host.write(
        "~/.npmrc",
        "registry=https://npm.example.org/\n//npm.example.org/:_authToken=${TOKEN}\n",
    )
    return host.trust(
        PIP_INDEX_URL=INDEX,
        https_proxy=f"http://user:{HIDDEN}@proxy.example.org:8080",
        TOKEN=HIDDEN,
        **variables,
    )


def test_credentials_stay_on_the_host(host: Host) -> None:
    trust = secretive(host)
    assert HIDDEN.encode() not in trust.context("FROM x\n")
    assert "https://packages.example.org/simple" in carried(trust)["etc/pip.conf"]
    assert trust.build_environment["https_proxy"] == "http://proxy.example.org:8080"
    assert HIDDEN not in repr(trust)
    assert len(trust.notes) == 3


def test_credentials_go_into_files_only_when_they_are_asked_for(host: Host) -> None:
    trust = secretive(host, KETTLE_HOST_TRUST="credentials")
    files = carried(trust)
    assert INDEX in files["etc/pip.conf"]
    assert f"_authToken={HIDDEN}" in files["etc/npmrc"]
    # Variables would stand in the history of an image.
    assert HIDDEN not in str(trust.build_environment)
    assert HIDDEN not in repr(trust)
    assert HIDDEN not in "".join(trust.notes)


def test_it_can_be_switched_off(host: Host, private_ca: Path) -> None:
    trust = host.trust(SSL_CERT_FILE=str(private_ca), KETTLE_HOST_TRUST="off")
    assert trust.empty


def test_a_setting_that_means_nothing_is_an_error_that_names_the_choices(host: Host) -> None:
    with pytest.raises(TrustSettingError, match="auto, credentials, off"):
        host.trust(KETTLE_HOST_TRUST="yes")


def test_the_digest_names_what_is_carried(host: Host) -> None:
    first = host.trust(PIP_TIMEOUT="5").digest
    assert host.trust(PIP_TIMEOUT="5").digest == first
    assert host.trust(PIP_TIMEOUT="6").digest != first
