"""A node's settings: one table, read from a TOML file and PRAYA_* variables, checked before anything starts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from node.errors import ConfigError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PeerSetting(_Section):
    """A bank or observer that this node dials."""

    name: str = Field(description="Short name, as in the network's folder")
    host: str = Field(description="Host name or address")
    port: int = Field(ge=1, le=65535, description="Peer-to-peer port")
    address: str = Field(
        pattern=r"^0x[0-9a-fA-F]{40}$", description="Validator address (an observer's: its business address)"
    )


class NodeSection(_Section):
    name: str = Field(description="Short name of this bank or observer")
    member: str = Field(description="Full name of the member institution")
    role: str = Field(pattern="^(validator|observer)$", description="validator votes; observer holds and serves")
    environment: str = Field(default="PROD", pattern="^(DEMO|UAT|PROD)$", description="Banner of the console")


class ListenSection(_Section):
    host: str = Field(default="127.0.0.1", description="Interface of every door; loopback unless configured")
    p2p_port: int = Field(ge=1, le=65535, description="Mutual TLS connections between members")
    rpc_port: int = Field(ge=1, le=65535, description="Ethereum JSON-RPC over HTTP and WebSocket")
    web_port: int = Field(ge=1, le=65535, description="REST API and officers' console")
    metrics_port: int = Field(ge=1, le=65535, description="Metrics and health")
    allowed_hosts: tuple[str, ...] = Field(
        default=("localhost", "127.0.0.1", "[::1]"), description="Host headers that the doors answer"
    )


class ExecutionSection(_Section):
    engine: str = Field(default="reference", pattern="^reference$", description="EVM engine: py-evm's rules")


class SyncSection(_Section):
    mode: str = Field(
        default="full",
        pattern="^(full|snapshot)$",
        description="How an empty chain folder is filled: full executes every block, snapshot takes over a state",
    )
    snapshot_min_blocks: int = Field(
        default=1024, ge=1, description="Chains shorter than this are executed from genesis in either mode"
    )
    trusted_block: str = Field(
        default="",
        pattern=r"^([0-9]+:0x[0-9a-fA-F]{64})?$",
        description="HEIGHT:0xHASH of a block that another member told you: a snapshot must be of its chain",
    )


class LogSection(_Section):
    level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level written")


class NodeConfig(BaseSettings):
    """All settings of one node. Precedence: PRAYA_SECTION__KEY variables, then the file, then the defaults."""

    model_config = SettingsConfigDict(
        env_prefix="PRAYA_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    node: NodeSection
    listen: ListenSection
    peers: tuple[PeerSetting, ...] = ()
    execution: ExecutionSection = ExecutionSection()
    sync: SyncSection = SyncSection()
    log: LogSection = LogSection()
    directory: Path = Field(default=Path("."), description="The node's folder: keys, chain, WAL, documents")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def load_config(path: Path) -> NodeConfig:
    """Read and check ``node.toml``; relative paths are taken from the file's folder.

    Raises ConfigError naming the first wrong setting.
    """
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", field="config") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}", field="config") from error
    directory = Path(document.get("directory", "."))
    document["directory"] = directory if directory.is_absolute() else (path.parent / directory).resolve()
    try:
        return NodeConfig(**document)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {name}: {first['msg']}", field=name) from error


def settings_table() -> list[tuple[str, str, str]]:
    """(name, default, description) of every setting, for the documents and their test."""
    rows: list[tuple[str, str, str]] = []
    for section, field in NodeConfig.model_fields.items():
        annotation = field.annotation
        model = PeerSetting if section == "peers" else annotation
        if isinstance(model, type) and issubclass(model, _Section):
            for name, inner in model.model_fields.items():
                default = "required" if inner.is_required() else repr(inner.default)
                rows.append((f"{section}.{name}", default, inner.description or ""))
        else:
            rows.append((section, repr(field.default), field.description or ""))
    return rows
