#!/usr/bin/env bats
# page.bats - the live page of step 05, as a browser sees it: Chromium without a window, which
# chromedriver drives (W3C WebDriver: JSON over HTTP, which curl and src/json.c speak). Where the
# two are missing, all tests but one are skipped.
#
# bats file_tags=page

load lib.bash
load http.bash

ABOUT_PAGE='step05_final/stages/18_fleet/README.md, "The live page"'
BROWSER_S=60 # for a browser that starts, in real time: it takes a second or two
PAGE_MS=20000 # for what the page does by itself twice a second
ONE_AT_A_TIME=/tmp/course-page-$UID.lock

setup() {
    STEP=05
    SERVER=$COURSE/step05_final/server
    [[ -x $SERVER ]] || skip "the reference of step 05 is not here"
    DRIVER='' SESSION='' PROFILE=''
}

teardown() {
    close_browser
    kill_servers
}

# ---- the browser ------------------------------------------------------------------

# driver METHOD PATH [BODY]: asks chromedriver; its answer goes to $ANSWER, JSON.
driver() {
    ANSWER=$BATS_TEST_TMPDIR/answer
    curl -sS --max-time "$BROWSER_S" -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} \
        -o "$ANSWER" "http://127.0.0.1:$DRIVER_PORT$2" 3>&- 4>&-
}

# session METHOD PATH [BODY]: the same, of our one window.
session() { driver "$1" "/session/$SESSION/$2" "${@:3}"; }

# text_of PLACE: a value of the answer; a string without its quotes.
text_of() { value "$1" "$ANSWER" | sed 's/^"\(.*\)"$/\1/; s/\\"/"/g'; }

driver_is_ready() {
    DRIVER_PORT=$(sed -n 's/.*started successfully on port \([0-9]*\)\.$/\1/p' "$BATS_TEST_TMPDIR/driver.out")
    [[ -n $DRIVER_PORT ]]
}

# open_browser: a new one, with a profile of its own. One at a time on a machine, for a browser
# takes all of it.
open_browser() {
    local tool flags
    for tool in chromium chromedriver curl; do
        command -v $tool >/dev/null || skip "$tool is not installed"
    done
    exec {LOCK}>"$ONE_AT_A_TIME"
    flock -w 600 "$LOCK"
    PROFILE=$BATS_TEST_TMPDIR/profile
    mkdir "$PROFILE"
    chromedriver --port=0 >"$BATS_TEST_TMPDIR/driver.out" 2>&1 </dev/null 3>&- 4>&- &
    DRIVER=$!
    wait_until $((BROWSER_S * 1000)) driver_is_ready
    printf -v flags '"--%s",' headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking \
        disable-component-update disable-sync disable-dev-shm-usage window-size=1280,1600
    driver POST /session '{"capabilities": {"alwaysMatch": {"goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {"args": ['"$flags"' "--user-data-dir='"$PROFILE"'"]}}}}'
    SESSION=$(text_of value.sessionId)
    [[ -n $SESSION ]] || {
        cat "$ANSWER"
        echo "The fault lies in the browser or the machine, not in the server."
        return 1
    }
}

# close_browser: nothing of it stays, even if it hangs.
close_browser() {
    local pid
    [[ -n $DRIVER ]] || return 0
    [[ -z $SESSION ]] || session DELETE '' || true
    kill "$DRIVER" 2>/dev/null || true
    wait "$DRIVER" 2>/dev/null || true
    while IFS=/ read -r _ _ pid _; do
        kill -KILL "$pid" 2>/dev/null || true
    done < <(grep -lsF -e "--user-data-dir=$PROFILE" /proc/[0-9]*/cmdline)
    exec {LOCK}>&-
}

# js CODE: what the page's function with this body returns.
js() {
    local code=${1//\\/\\\\}
    code=${code//\"/\\\"}
    session POST execute/sync '{"args": [], "script": "'"${code//$'\n'/\\n}"'"}'
    [[ -z $(value value.error "$ANSWER") ]] || {
        cat "$ANSWER"
        return 1
    }
    text_of value
}

# text ID: what the page says there.
text() { js "return document.getElementById('$1').textContent"; }

# is_true CODE
is_true() { [[ $(js "return $1") == true ]]; }

# says ID REGEX
says() {
    SAID=$(text "$1")
    [[ $SAID =~ $2 ]]
}

# until_says ID REGEX [LIMIT_MS]
until_says() {
    wait_until "${3:-$PAGE_MS}" says "$1" "$2" || report "#$1: \"$SAID\"" "$2"
}

# browse ARGUMENT...: starts the server with these, and looks at its page.
browse() {
    open_browser
    start_http "$@"
    session POST url '{"url": "http://127.0.0.1:'"$HTTP_PORT"'/"}'
    wait_until $PAGE_MS is_true "!document.getElementById('live').hidden && lanes.main.past.length > 0" ||
        report "the graphs do not appear; the console: $(console)" "lanes that move"
    listen
}

# console: what it says, a line a message: its source (javascript, network), and the text.
console() {
    session POST se/log '{"type": "browser"}'
    "$TOOLS/json" <"$ANSWER" | awk '
        { place = $1; sub(/^[^ ]* /, "") }
        place ~ /\.source$/ { source = $0 }
        place ~ /\.message$/ { message = $0 }
        place ~ /\.timestamp$/ { print source, message }'
}

# press ID: a click of the mouse.
press() {
    local element
    session POST element '{"using": "css selector", "value": "#'"$1"'"}'
    element=$("$TOOLS/json" <"$ANSWER" | sed -n 's/^value\.[^ ]* "\(.*\)"$/\1/p')
    session POST "element/$element/click" '{}'
}

# key TEXT: \uXXXX is one of the keys of WebDriver.
key() {
    session POST actions '{"actions": [{"type": "key", "id": "keys", "actions": [
        {"type": "keyDown", "value": "'"$1"'"}, {"type": "keyUp", "value": "'"$1"'"}]}]}'
}

scheme() {
    session POST goog/cdp/execute '{"cmd": "Emulation.setEmulatedMedia",
        "params": {"features": [{"name": "prefers-color-scheme", "value": "'"$1"'"}]}}'
}

width() {
    session POST goog/cdp/execute '{"cmd": "Emulation.setDeviceMetricsOverride",
        "params": {"width": '"$1"', "height": 800, "deviceScaleFactor": 1, "mobile": true}}'
}

# listen: from here on the page notes what it says in #says, when a button is disabled, and how many
# workers were at a task at once, beside the one for the page; for we may look too late.
listen() {
    js "window.heard = []; window.most = 0;
        const says = document.getElementById('says');
        new MutationObserver(() => heard.push(says.textContent)).observe(says, {childList: true});
        new MutationObserver(() => most = Math.max(most, lanes.workers.filter(l =>
            l.text.textContent.startsWith('■ at a task;')).length)).observe(document.getElementById('threads'),
            {childList: true, subtree: true});
        for (const id of ['slow', 'idle'])
            new MutationObserver(() => document.getElementById(id).disabled && heard.push(id + ' works'))
                .observe(document.getElementById(id), {attributes: true});" >/dev/null
}
heard() { is_true "heard.some(text => /$1/.test(text))"; }
is_done() { is_true "!document.getElementById('$1').disabled"; }

# slow_clients COUNT TEXT: so many that send this and wait.
slow_clients() {
    local i fd
    for ((i = 0; i < $1; i++)); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
        printf '%b' "$2" >&"$fd"
        HELD+=("$fd")
    done
}

# stat_of PATH: of the server's own numbers.
stat_of() {
    fetch /stats "$BATS_TEST_TMPDIR/stats"
    value "$1" "$BATS_TEST_TMPDIR/stats"
}

# ---- what it shows ----------------------------------------------------------------

@test "page: without JavaScript it shows the server's numbers" {
    about "fetched / and looked at its text" "pages.c writes the numbers of the moment into it" "$ABOUT_PAGE"
    local page=$BATS_TEST_TMPDIR/page id
    start_http -t 3
    fetch / "$page"
    for id in open:1 accepted:1 requests:0 tasks:0 depth:0 workers:3; do
        grep -qxE "<div><dt>[a-zA-Z ]+</dt><dd id=\"${id%:*}\">${id#*:}</dd></div>" "$page" ||
            report "$(grep "id=\"${id%:*}\"" "$page")" "the number ${id#*:}"
    done
    # All that it needs is in it.
    refute grep -nE "(src|href) *= *['\"]?(https?:|//)|@import|url\(" "$page"
    end_server
}

@test "page: its numbers move, each thread has a lane, and the console stays empty" {
    about "looked at the page, and talked to the server meanwhile" "it asks for /stats twice a second" "$ABOUT_PAGE"
    browse -t 3
    [[ $(js "return document.querySelectorAll('#threads li').length") == 5 ]] ||
        report "$(js "return document.getElementById('threads').innerText")" "the main thread, the queue, three workers"
    [[ $(js "return document.querySelectorAll('#phases li').length") == 5 ]]
    is_true "lanes.main.text.textContent.startsWith('sleeps in epoll_wait; ')"
    wait_until $PAGE_MS is_true "lanes.workers.some(l => l.text.textContent.startsWith('■ at a task, for this page'))"
    until_says says '^1 of 3 workers is at a task, the one that answers this page; no task waits; [0-9]+ connections?, '
    # Silent clients, in two phases: they are told in words, as a number, and in a strip.
    HELD=()
    local fd i
    needs_dev_tcp
    for i in {1..7}; do
        exec {fd}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
        HELD+=("$fd")
        ((i > 3)) || printf 'GET / HT' >&"$fd"
    done
    wait_until $PAGE_MS is_true "lanes.phases[1].text.textContent.startsWith('3 · ') && lanes.phases[1].past.includes(3)" ||
        report "$(js "return document.getElementById('phases').innerText")" "3 clients in the middle of a head"
    wait_until $PAGE_MS is_true "+document.getElementById('open').textContent >= 8" || report "$(text open)" "8 or more"
    for fd in "${HELD[@]}"; do exec {fd}>&-; done
    # The tiles, the strips, the graphs.
    wait_until $PAGE_MS is_true "+document.getElementById('tasks').textContent.replace(/,/g, '') > 20"
    wait_until $PAGE_MS is_true "rates.length >= 5 && ['rate', 'waits'].every(id => \
document.getElementById(id).getAttribute('d').startsWith('M')) && lanes.main.path.getAttribute('d').length > 20"
    until_says rate-says '^[0-9]+ now, at most [0-9]+ in half a minute'
    until_says waits-say '^Of [0-9,]+ tasks in half a minute, half waited (at most|more than) '
    [[ -z $(console) ]] || report "$(console)" "no message in the console"
    end_server
}

@test "page: a busy pool is told in words" {
    about "sent slow requests, three at first and many then, and listened to what the page says" \
        "the page asks for /stats, and waits in the queue for that like everybody else" "$ABOUT_PAGE"
    local slow='POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'
    needs_dev_tcp
    browse -t 4 -w 3000000
    HELD=()
    # Three workers are at them, and the fourth answers the page. Where the page was too slow to see
    # that, once more.
    kept_busy() { slow_clients 3 "$slow" && wait_until 6000 heard '^4 of 4 workers are at a task; '; }
    wait_until 60000 kept_busy || report "$(js "return heard.join(' / ')")" "4 of 4 workers are at a task"
    wait_until $PAGE_MS is_true "most >= 3" || report "$(js "return most") lanes" "three at a task beside that for the page"
    # Now all four, so that nobody answers for a while.
    overrun() { slow_clients 12 "$slow" && wait_until 12000 heard '^For more than a second no worker has had time'; }
    wait_until 60000 overrun || report "$(js "return heard.join(' / ')")" "For more than a second no worker has had time"
    kill_servers
}

# ---- its buttons ------------------------------------------------------------------

@test "page: ten slow requests take three rounds of four workers" {
    about "pressed \"Send ten slow requests\" where each takes 0.3 s, with 4 workers" \
        "each goes to a host of its own, w0.localhost to w9.localhost, so the browser sends them at once" "$ABOUT_PAGE"
    local before after shown
    browse -t 4 -w 300000
    before=$(stat_of bytes.received)
    press slow
    wait_until 60000 is_done slow
    heard 'slow works' || report "the button could be pressed meanwhile" "it is disabled while it works"
    shown=$(text slow-says)
    [[ $shown =~ ^Ten\ requests\ took\ [0-9.]+\ s\ to\ ([0-9.]+)\ s:\ 4\ workers\ served\ them\ in\ [0-9]+\ rounds?\. ]] ||
        report "$shown" "ten requests, their times, and how many rounds"
    # They need 0.9 s. A busy machine takes longer, and where the first one had to wait as well, the
    # page sees fewer rounds.
    ((10#${BASH_REMATCH[1]/./} >= 90)) || report "$shown" "0.9 s or more, for there are three rounds"
    after=$(stat_of connections.open)
    ((after >= 10)) || report "$after connections" "one for each of the ten, still open"
    (($(stat_of bytes.received) - before > 10 * 100)) || report "$(stat_of bytes.received) bytes" "ten requests more"
    [[ -z $(console) ]] || report "$(console)" "no message in the console"
    end_server
}

@test "page: ten requests that are not slow: it says how to make them so" {
    about "pressed \"Send ten slow requests\" where they take next to nothing" "what took less than 20 ms is not slow" \
        "$ABOUT_PAGE"
    browse -t 4
    tries() {
        press slow
        wait_until 60000 is_done slow
        says slow-says '^Ten requests took [0-9]+ ms to .*, next to nothing: start the server with -w 300000'
    }
    # On a busy machine the fastest may take longer, once.
    wait_until 60000 tries || report "$SAID" "next to nothing"
    end_server
}

@test "page: a thousand idle connections, as many as the browser keeps" {
    about "pressed \"Open a thousand idle connections\"" \
        "each goes to a host of its own, i0.localhost to i999.localhost, and the connection stays open" "$ABOUT_PAGE"
    local open accepted
    browse -t 4
    accepted=$(stat_of connections.accepted)
    press idle
    wait_until 120000 is_done idle
    heard 'idle works' || report "the button could be pressed meanwhile" "it is disabled while it works"
    until_says idle-says '^1,000 requests were answered, .* Now [0-9,]+ connections are open, [0-9,]+ of them idle\. '
    (($(stat_of connections.accepted) - accepted >= 1000)) ||
        report "$(stat_of connections.accepted) accepted, $accepted before" "a thousand more"
    [[ $SAID =~ Now\ ([0-9,]+)\ connections ]]
    open=${BASH_REMATCH[1]/,/}
    ((open >= 100)) || report "$SAID" "a hundred at least"
    ((open >= 1000)) || [[ $SAID == *'The browser closed the others'* ]] || report "$SAID" "why not a thousand"
    # They stay.
    ((2 * $(stat_of connections.phases.idle) > open)) || report "$(stat_of connections.phases.idle) idle" "about $open"
    [[ -z $(console) ]] || report "$(console)" "no message in the console"
    end_server
}

# ---- for everybody ----------------------------------------------------------------

# The least contrast of a text with what is behind it (WCAG 2.2, 1.4.3), and that text.
CONTRAST="
const light = color => color.match(/[0-9.]+/g).slice(0, 3).map(c => c / 255).map(c =>
    c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4).reduce((a, c, i) => a + c * [.2126, .7152, .0722][i], 0);
const behind = e => {
    for (; e; e = e.parentElement) {
        const color = getComputedStyle(e).backgroundColor;
        if (!/, 0\)|transparent/.test(color)) return color;
    }
    throw new Error('no background');
};
let least = 99, where = '';
for (const e of document.querySelectorAll('body *')) {
    const words = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!words || !e.getClientRects().length) continue;
    for (let p = e; p; p = p.parentElement)
        if (getComputedStyle(p).opacity !== '1') return '0 opacity of ' + p.tagName;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < least) [least, where] = [ratio, e.tagName + ' ' + e.className + ' ' + e.id];
}
return least.toFixed(2) + ' ' + where;"

contrast_is_enough() {
    local said
    said=$(js "$CONTRAST")
    awk -v ratio="${said%% *}" 'BEGIN { exit !(ratio >= 4.5) }' || report "$1: contrast $said" "4.5 or more"
}

@test "page: every text has contrast, in light and dark, also of a disabled button and without the server" {
    about "computed the contrast of each text from its computed style" "WCAG 2.2, 1.4.3: 4.5 to 1" "$ABOUT_PAGE"
    local look backs=()
    browse -t 2
    for look in light dark; do
        scheme $look
        contrast_is_enough $look
        js "document.querySelectorAll('button').forEach(b => b.disabled = true)"
        contrast_is_enough "$look, disabled"
        js "document.querySelectorAll('button').forEach(b => b.disabled = false)"
        js "document.body.classList.add('gone')"
        contrast_is_enough "$look, without the server"
        backs+=("$(js "return getComputedStyle(document.body).backgroundColor")")
    done
    [[ ${backs[0]} != "${backs[1]}" ]] || report "${backs[*]} behind both" "a light page and a dark one"
    end_server
}

@test "page: at 360 pixels nothing has to be scrolled sideways" {
    about "made the window 360 pixels wide" "one column, and nothing with a width of its own" "$ABOUT_PAGE"
    browse -t 12
    width 360
    wait_until $PAGE_MS is_true "innerWidth === 360"
    is_true "document.documentElement.scrollWidth <= innerWidth" ||
        report "$(js "return document.documentElement.scrollWidth") pixels" "360"
    # Long words too.
    js "for (const dd of document.querySelectorAll('dd')) dd.textContent = '888,888,888'"
    is_true "document.documentElement.scrollWidth <= innerWidth" ||
        report "$(js "return document.documentElement.scrollWidth") pixels with long numbers" "360"
    end_server
}

@test "page: Tab reaches both buttons, which show it, and Enter presses one" {
    about "pressed Tab until both buttons had been reached" "buttons are <button>, and :focus-visible has an outline" \
        "$ABOUT_PAGE"
    local i reached='' id
    browse -t 2 -w 300000
    for i in {1..8}; do
        key '\uE004'
        id=$(js "return document.activeElement.id")
        [[ -n $id ]] || continue
        [[ $(js "return getComputedStyle(document.activeElement).outlineStyle + ' ' +
            parseFloat(getComputedStyle(document.activeElement).outlineWidth)") == 'solid 3' ]] ||
            report "#$id has no outline" "one that is seen"
        reached+="$id "
        [[ $id != slow ]] || {
            key '\uE007'
            wait_until $PAGE_MS heard 'slow works' || report "Enter does nothing" "the requests are sent"
            wait_until 60000 is_done slow
            # It has the focus again: who works with keys goes on from here.
            [[ $(js "return document.activeElement.id") == slow ]] ||
                report "then the focus is at \"$(js "return document.activeElement.tagName")\"" "the button"
        }
    done
    [[ $reached == *'slow idle '* ]] || report "reached: $reached" "slow, then idle"
    is_true "document.getElementById('says').getAttribute('aria-live') === 'polite'"
    end_server
}

@test "page: when the server has ended it says so, and goes on when there is one again" {
    about "ended the server, looked, and started another one on its port" \
        "a fetch that fails is caught, told in words, and tried again" "$ABOUT_PAGE"
    local port
    browse -t 2
    port=$HTTP_PORT
    stop_server
    until_says says '^The server does not answer: it has ended, or cannot be reached\. This page goes on asking\.'
    press slow
    until_says slow-says '^10 of ten requests were not answered'
    is_done slow
    start_http --http "$port" -t 3
    until_says says '^1 of 3 workers is at a task' || until_says says '^[0-9] of 3 workers'
    # The network tells of each fetch that failed; the page itself has no fault.
    refute grep -v '^"network" ' <(console)
    end_server
}
