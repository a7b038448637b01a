#!/usr/bin/env bash
# Reports how far an assignment has come, with a photo as proof where there is one. Needs curl and jq.
#
#     export UJUNG_URL=https://ujungtombak.example UJUNG_KEY=ujk_…
#     ./send_progress.sh ASSIGNMENT 60 "Saluran dikeruk 24 meter." foto.jpg
#
# The key needs the verbs `read`, `assignment.progress` and, for photos, `problem.attach`.
set -euo pipefail

assignment=$1 percent=$2 note=$3 photo=${4:-}
api="$UJUNG_URL/api/v1"

# The key comes to curl through a file descriptor: what stands on a command line, every user of the machine may read.
ask() {
    curl --silent --show-error --fail-with-body --max-time 60 --config <(printf 'oauth2-bearer = "%s"\n' "$UJUNG_KEY") "$@"
}

problem=$(ask "$api/assignments/$assignment" | jq --raw-output .problem_id)

# The photo's id, a UUIDv7, is made of when it was taken and what it shows: sent again, it is the same photo.
photos='[]'
if [ -n "$photo" ]; then
    digest=$(cat "$photo" - <<<"$problem" | sha256sum)
    time=$(printf '%012x' "$(stat --format %Y000 "$photo")")
    id="${time:0:8}-${time:8:4}-7${digest:0:3}-8${digest:3:3}-${digest:6:12}"
    photos=$(ask --form "file=@$photo" --form "id=$id" "$api/problems/$problem/photos" | jq '[.id]')
fi

# If-Match: refused with 412 where something happened to the problem after it was read here.
version=$(ask "$api/problems/$problem" | jq .version)

# One name for one report: the same again, because no answer came, has effect once.
key=$(printf '%s' "$assignment $percent $note $photos" | sha256sum | cut -c 1-32)

jq --null-input --arg note "$note" --argjson percent "$percent" --argjson photos "$photos" \
    '{verb: "progress", note: $note, percent: $percent, photos: $photos}' |
    ask --header "Content-Type: application/json" --header "Idempotency-Key: $key" --header "If-Match: \"$version\"" \
        --data-binary @- "$api/assignments/$assignment/steps" |
    jq '{number, version, state: .state_label}'
