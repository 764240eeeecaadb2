# pip's lines in short: which package it is at, of how many. On a terminal one line, written over.
function say(text, end) { printf("%s  %s%s", terminal ? "\r\033[K" : "", text, end); fflush() }
/^Collecting / {
    sub(/==.*/, "", $2)
    fetched++
    say("fetching " fetched " of " total ": " $2, terminal ? "" : "\n")
}
/^Installing collected packages/ { say("unpacking them", "\n") }
