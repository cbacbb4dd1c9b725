"""The peer nchan: Debian's nginx with its module, installed here or unpacked beside the other peers.

The law of this module: nothing is installed on the machine. Where nginx and the module are not there, the two packages are fetched and
unpacked into the cache, which takes no rights and starts no service.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks.installs import CACHE, MissingError, hindrance, run_tool
from tests.benchmarks.servers import ORG, Peer, get, post

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.processes import ChannelPlan

_CONFIG: Final = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections {connections}; use epoll; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 64k;
  tcp_nodelay on;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 512M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /publish {{
      nchan_publisher http;
      nchan_channel_id $arg_id;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 1d;
    }}
    location = /stream {{
      nchan_subscriber eventsource;
      nchan_channel_id $arg_id;
      nchan_subscriber_first_message newest;
      nchan_eventsource_ping_interval 15;
      nchan_eventsource_ping_comment heartbeat;
      nchan_eventsource_ping_data "";
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Nchan(Peer):
    """One worker, no access log, as many events retained as Redline does, and memory for all of it."""

    name: str = "nchan"

    def missing(self) -> str:
        """Return what hinders Debian's packages."""
        return hindrance(_found)

    def command(self, folder: Path, port: int) -> list[str]:
        """Write its configuration and start it."""
        nginx, module = _found()
        config = folder / "nginx.conf"
        user = "" if not _is_root() else "user root;\n"
        config.write_text(user + _CONFIG.format(module=module, folder=folder, port=port, files=20_000, connections=19_000))
        return [*_namespace(), nginx, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]

    def env(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    def stream(self, port: int, org: str = ORG) -> str:
        """Open a stream of a channel."""
        return get(f"/stream?id={org}", port)

    def channel(self, port: int, org: str = ORG, *, batch: bool = False) -> ChannelPlan:
        """Publish to a channel, under the event's name."""
        plan = super().channel(port, org, batch=batch)
        plan["head"] = post(f"/publish?id={org}", port, "X-EventSource-Event: run.stage")
        return plan


def _namespace() -> list[str]:
    """Return what to run nginx through where it is not installed: the module insists on a folder that the package would have made.

    So the server alone sees one, and the machine stays as it is.
    """
    if Path("/var/lib/nginx").exists():
        return []
    script = 'mount -t tmpfs none /var/lib && mkdir /var/lib/nginx && exec "$@"'
    return ["unshare", *([] if _is_root() else ["--map-root-user"]), "--mount", "sh", "-c", script, "sh"]


def _is_root() -> bool:
    return Path("/proc/self").stat().st_uid == 0


@cache
def _found() -> tuple[str, str]:
    """Return where nginx and the module are."""
    module = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is not None and module.exists():
        return nginx, str(module)
    folder = CACHE / "nchan"
    unpacked = folder / "usr/sbin/nginx", folder / "usr/lib/nginx/modules/ngx_nchan_module.so"
    if not all(part.exists() for part in unpacked):
        folder.mkdir(parents=True, exist_ok=True)
        run_tool(["apt-get", "download", "--quiet", "nginx", "libnginx-mod-nchan"], cwd=folder)
        for package in sorted(folder.glob("*.deb")):
            run_tool(["dpkg-deb", "--extract", str(package), str(folder)])
    if not all(part.exists() for part in unpacked):
        msg = "libnginx-mod-nchan is not installed, and could not be unpacked"
        raise MissingError(msg)
    return str(unpacked[0]), str(unpacked[1])
