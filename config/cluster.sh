#!/usr/bin/env bash
# Three NATS servers in a cluster and two Redline nodes over them, on this machine, until Ctrl-C: to see what README.md says of many nodes.
# One machine is no cluster: it dies as one. On three, the same commands, with the addresses of each.
#
#   config/cluster.sh FOLDER        the servers keep their streams in FOLDER, and find them there again
#
# NATS_PORT (4222, and the two after it), ROUTE_PORT (6222, ..), MONITOR_PORT (8222, ..) and REDLINE_PORT (8000, and the one after it) move the ports. All other
# REDLINE_* settings count for both nodes, but for REDLINE_EVENTLOG, which is these three servers; a secret is made where none is given, and kept
# in FOLDER, so that tokens outlive this as the streams do. nats-server and redline are taken from PATH, or from .venv.
set -euo pipefail

folder=${1:?"name the folder that the servers keep their streams in: config/cluster.sh FOLDER"}
here=$(cd "$(dirname "$0")" && pwd)
command=redline secret=
type -P redline >/dev/null || command=$(printf %q "$(cd "$here/.." && pwd)/.venv/bin/redline")
PATH=$PATH:$here/../.venv/bin
nats=${NATS_PORT:-4222} route=${ROUTE_PORT:-6222} monitor=${MONITOR_PORT:-8222} redline=${REDLINE_PORT:-8000}
for program in nats-server redline; do
  type -P "$program" >/dev/null || { echo "cluster.sh: there is no $program in PATH, nor in .venv/bin (README.md says where each comes from)" >&2; exit 1; }
done
mkdir -p "$folder"

# Whatever ends this ends all of them; the nodes first, as their streams are to be closed in words. One that stands still (kill -STOP) goes on for
# that, and one that is gone already is passed over. A second Ctrl-C finds it under way.
nodes=() servers=()
ended() {
  for process in "$@"; do kill "$process" && kill -CONT "$process" || true; done 2>/dev/null
  (($#)) && wait "$@" || true
}
stop() {
  trap - EXIT
  trap '' INT TERM
  ended "${nodes[@]}"
  ended "${servers[@]}"
}
trap stop EXIT
trap 'exit 0' INT TERM

routes=nats://127.0.0.1:$route,nats://127.0.0.1:$((route + 1)),nats://127.0.0.1:$((route + 2))
for n in 0 1 2; do
  NATS_STORE=$folder/nats-$n nats-server -c "$here/nats.conf" --name "nats-$n" --addr 127.0.0.1 --port $((nats + n)) --http_port $((monitor + n)) \
    --cluster_name redline --cluster "nats://127.0.0.1:$((route + n))" --routes "$routes" --log "$folder/nats-$n.log" &
  servers+=($!)
done

# Until the three have found one another and the leader of their metadata, there is nothing to make a stream with.
healthy() {
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return
  printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
  grep -q '"status":"ok"' <&3
}
for n in 0 1 2; do
  for ((tries = 0; ; tries++)); do
    (healthy $((monitor + n))) 2>/dev/null && break
    kill -0 "${servers[n]}" 2>/dev/null && ((tries < 300)) || { echo "cluster.sh: NATS did not start; $folder/nats-$n.log says why" >&2; exit 1; }
    sleep 0.1
  done
done

export REDLINE_EVENTLOG="nats://127.0.0.1:$nats,127.0.0.1:$((nats + 1)),127.0.0.1:$((nats + 2))?replicas=3"
if [[ -z ${REDLINE_AUTH__SECRET:-}${REDLINE_AUTH__KEYS:-}${REDLINE_AUTH__JWKS:-} ]]; then
  [[ -s $folder/environment ]] || (umask 077 && printf 'REDLINE_AUTH__SECRET=%s\n' "$(head -c 36 /dev/urandom | base64)" >"$folder/environment")
  REDLINE_AUTH__SECRET=$(sed -n 's/^REDLINE_AUTH__SECRET=//p' "$folder/environment")
  export REDLINE_AUTH__SECRET
  echo "cluster.sh: the nodes' secret is in $folder/environment"
  # In a shell of its own, which forgets the secret. A path without a slash would be looked for in PATH.
  secret="set -a; . $(printf %q "$(cd "$folder" && pwd)/environment"); "
fi
# A stream ticket that one node sold is used on the other. Nobody else needs this secret.
export REDLINE_TICKETS__SECRET="${REDLINE_TICKETS__SECRET:-$(head -c 36 /dev/urandom | base64)}"
for n in 0 1; do
  REDLINE_PORT=$((redline + n)) redline serve &
  nodes+=($!)
done

if [[ -n ${REDLINE_AUTH__SECRET:-} ]]; then
  echo "cluster.sh: a token: ($secret$command token mint --org acme --scope 'stream:read events:publish' --ttl 3600)"
fi
echo "cluster.sh: NATS is ${servers[*]}, Redline is ${nodes[*]}; end any of them with kill -9 and see (Ctrl-C ends all)"
wait
