#!/usr/bin/env bash
# For an agency without a server: fetches what is new, writes it down, and says that it has it. Needs curl and jq.
#
#     export UJUNG_URL=https://ujungtombak.example UJUNG_KEY=ujk_… INBOX=/var/lib/ujung
#     ./fetch_events.sh                # every few minutes, by cron
#
# The key needs the verb `events`.
set -euo pipefail

api="$UJUNG_URL/api/v1"
inbox=${INBOX:-inbox}
mkdir -p "$inbox"

# The key comes to curl through a file descriptor: what stands on a command line, every user of the machine may read.
ask() {
    curl --silent --show-error --fail-with-body --max-time 60 --config <(printf 'oauth2-bearer = "%s"\n' "$UJUNG_KEY") "$@"
}

# Always the first page: what is acknowledged is not on it any more.
while page=$(ask "$api/events?limit=100") && [ "$(jq '.items | length' <<<"$page")" -gt 0 ]; do
    while read -r event; do
        id=$(jq --raw-output .id <<<"$event")
        jq .payload <<<"$event" >"$inbox/$id.draft"
        mv "$inbox/$id.draft" "$inbox/$id.json" # whole, or not at all; what comes again is the same
    done < <(jq --compact-output '.items[]' <<<"$page")
    sync "$inbox"
    jq '{ids: [.items[].id]}' <<<"$page" |
        ask --header "Content-Type: application/json" --data-binary @- "$api/events/acknowledgements" |
        jq --raw-output '"\(.acknowledged) acknowledged"'
done
