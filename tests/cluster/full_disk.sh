#!/usr/bin/env bash
# In a private mount namespace: a cluster whose state folder runs full. Argument: an empty folder.
set -euo pipefail
home=$1/small
mkdir -p "$home"
mount -t tmpfs -o size=12m,mode=0700 none "$home"
export SEALANE_HOME=$home/state
sealane() { "${PYTHON:-python3}" -m sealane "$@"; }
config_map() { # NAME, bytes of data
  printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s","namespace":"default"},"data":{"a":"%s"}}' \
    "$1" "$(head -c "$2" /dev/zero | tr '\0' x)" | kubectl create -f -
}
trap 'sealane down || true' EXIT

head -c 9M /dev/zero >"$home/filler"
if sealane up --nodes 1 --dns-upstream none 2>"$1/err"; then
  echo "up did not see that the disk is full"; exit 1
fi
grep -q 'no space left' "$1/err" || { cat "$1/err"; exit 1; }
rm "$home/filler"

sealane up --nodes 1 --dns-upstream none
KUBECONFIG=$(sealane kubeconfig); export KUBECONFIG
config_map before 1
head -c 12M /dev/zero >"$home/filler" 2>/dev/null || true
refused=0
for i in $(seq 20); do
  config_map "full-$i" 60000 2>>"$1/refused" || refused=$((refused + 1))
done
[ "$refused" -gt 0 ] || { echo "no write was refused on a full disk"; exit 1; }
grep -qi 'full' "$1/refused" || { cat "$1/refused"; exit 1; }
acknowledged=$(kubectl get configmaps -o name | sort)
sealane status >/dev/null

rm "$home/filler"
for _ in $(seq 50); do config_map after 1 2>/dev/null && break; sleep 0.1; done
kubectl get configmap before after -o name
for pid in $(sealane status -o json | python3 -c 'import json, sys; [print(p["pid"]) for p in json.load(sys.stdin)[0]["processes"]]'); do
  kill -9 "$pid" 2>/dev/null || true
done
sealane up
diff <(printf '%s\nconfigmap/after\n' "$acknowledged" | sort) <(kubectl get configmaps -o name | sort)
