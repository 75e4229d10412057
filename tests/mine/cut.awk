# cut.awk - cuts the reports of the sanitizers and of valgrind down to the lines of a student.
#
#     MINE_SOURCES=... awk -v root=DIR -v want=CLASS [-v least=N] [-v most=N] [-v keys=1]
#         -f cut.awk REPORT...
#
# root is the directory that the server was built in, and MINE_SOURCES lists the files there,
# one a line: a frame belongs to the student if its file is one of these. A report without any
# such frame is left out. Equal ones are shown once. Leaks are equal if they were allocated by
# the same lines: the few blocks in use when the server ended are not those of a real leak.
#
# CLASS is one of
#   race       ThreadSanitizer: data races, and use after free that it saw
#   misuse     ThreadSanitizer: locks, signals and all else
#   thread     threads that nobody joined (ThreadSanitizer, valgrind)
#   memory     AddressSanitizer, valgrind: bad accesses, uninitialized values
#   undefined  UBSan
#   crash      an abort, such as a failed assertion, and what no other class fits
#   leak       LeakSanitizer, valgrind: at least `least` blocks lost in one place
#
# At most `most` findings are shown. With keys=1 there is one line for each: its kind and its
# places. Nothing is printed if there are none.

function trim(s) { sub(/^[ \t]+/, "", s); sub(/[ \t]+$/, "", s); return s }

# A line of the student's source.
function source_line(file, number,    path, line, n, text) {
    if (!((file, number) in lines)) {
        path = root "/" file
        text = ""
        for (n = 0; n < number && (getline line < path) > 0; n++) text = line
        close(path)
        lines[file, number] = n == number ? trim(text) : ""
    }
    return lines[file, number]
}

# students_file(FILE): its name within root, or "". A compiler may have been called in a
# directory below root, and then names it from there.
function students_file(file,    i) {
    if (index(file, root "/") == 1) file = substr(file, length(root) + 2)
    while (sub(/^\.\.?\//, "", file)) continue
    if (file == "" || file ~ /^\//) return ""
    for (i = 1; i <= sources; i++)
        if (source[i] == file) return file
    for (i = 1; i <= sources; i++)
        if (length(source[i]) > length(file) + 1 &&
            substr(source[i], length(source[i]) - length(file)) == "/" file) return source[i]
    return ""
}

function clean_name(name) {
    sub(/@.*$/, "", name)
    sub(/^__interceptor_/, "", name)
    sub(/^__wrap_/, "", name)
    sub(/^__GI_/, "", name)
    if (name ~ /assert_fail/) return "assert"
    return name
}

function forget() {
    kind = ""; class = ""; sections = 0; notes = ""; blocks = 0; bytes = 0
    hidden = 0; has_create = 0
}

function section(text) {
    sections++
    title[sections] = text
    frames[sections] = 0
    callee[sections] = ""
}

# A frame of the section at hand: of the student's lines the first three are kept, and the name
# of what they called.
function frame(name, file, number,    n) {
    if (sections == 0) section("")
    if (name ~ /pthread_create/) has_create = 1
    if (hidden) return
    if (file == "" && number == "server") {
        number = 0
    } else if ((file = students_file(file)) == "") {
        if (frames[sections] == 0) callee[sections] = clean_name(name)
        return
    }
    n = ++frames[sections]
    if (n > 3) return
    frame_name[sections, n] = name
    frame_file[sections, n] = file
    frame_line[sections, n] = number
}

function place(s, n) {
    if (frame_file[s, n] == "") return frame_name[s, n]
    return frame_file[s, n] ":" frame_line[s, n]
}

function shown(s, s_text, n) {
    s_text = title[s] == "" ? "" : "  " title[s] ":\n"
    if (frames[s] == 0) return title[s] ~ /^(the memory is|it is|the variable)/ ? "  " title[s] "\n" : ""
    s_text = s_text "    " place(s, 1) ", " frame_name[s, 1]
    if (callee[s] != "") s_text = s_text ", in " callee[s]
    s_text = s_text "\n"
    if (frame_file[s, 1] != "")
        s_text = s_text "        " source_line(frame_file[s, 1], frame_line[s, 1]) "\n"
    for (n = 2; n <= 3 && n <= frames[s]; n++)
        s_text = s_text (n == 2 ? "      called at " : ", ") place(s, n) " in " frame_name[s, n]
    return s_text (frames[s] > 1 ? "\n" : "")
}

# The report at hand is complete.
function flush_report(    s, n, text, key, students) {
    if (kind == "") return
    if (class == "possible") class = has_create ? "thread" : ""
    text = ""; key = kind; students = 0
    for (s = 1; s <= sections; s++) {
        text = text shown(s)
        if (frames[s] == 0) continue
        students++
        if (class == "leak")
            for (n = 1; n <= 3 && n <= frames[s]; n++) key = key " " place(s, n)
        else if (title[s] !~ /^(allocated|created|the memory)/)
            key = key " " place(s, 1)
    }
    if (class == want && students > 0) {
        if (!(key in count)) { order[++found] = key; body[key] = text; head[key] = kind; note[key] = notes }
        count[key]++
        lost_blocks[key] += blocks
        lost_bytes[key] += bytes
    }
    forget()
}

function begin_report(what, of) { flush_report(); forget(); kind = what; class = of }

# "12,345" as a number.
function number_of(text) { gsub(/,/, "", text); return text + 0 }

function read_frame(line,    name, file, number) {
    sub(/^[ ]*#[0-9]+ /, "", line)
    sub(/^0x[0-9a-f]+ /, "", line)
    sub(/^in /, "", line)
    name = line
    sub(/ .*/, "", name)
    number = line ~ /\(server\+0x[0-9a-f]+\)/ ? "server" : ""
    sub(/ \([^()]*\)( \(BuildId: [0-9a-f]*\))?$/, "", line)
    file = line == name ? "" : substr(line, length(name) + 2)
    if (match(file, /:[0-9]+(:[0-9]+)?$/)) {
        number = substr(file, RSTART + 1) + 0
        file = substr(file, 1, RSTART - 1)
    } else {
        file = ""
    }
    frame(name, file, number)
}

# The line above the frames of ThreadSanitizer: who did what to the memory.
function read_tsan_title(text) {
    hidden = 0
    text = trim(text)
    sub(/:$/, "", text)
    if (text ~ /^Thread / && want != "thread" || text ~ /^As if / || text ~ /^Mutex .* created/) hidden = 1
    gsub(/ at 0x[0-9a-f]+/, "", text)
    gsub(/ \(0x[0-9a-f]+\)/, "", text)
    sub(/ \(mutexes: [^)]*\)/, ", which holds a lock", text)
    sub(/ \(tid=[0-9]+, /, " (", text)
    sub(/^Location is heap block/, "the memory is a block", text)
    sub(/^Location is /, "the memory is ", text)
    sub(/ \(server\+0x[0-9a-f]+\)/, "", text)
    section(tolower(substr(text, 1, 1)) substr(text, 2))
}

function read_asan_line(text) {
    hidden = 0
    if (text ~ /^(READ|WRITE) of size/) {
        sub(/ at 0x[0-9a-f]+/, "", text)
        sub(/^READ/, "read", text)
        sub(/^WRITE/, "write", text)
    } else if (text ~ /^(freed|previously allocated|allocated) by /) {
        sub(/ here:$/, "", text)
    } else if (text ~ / is located [0-9]+ bytes /) {
        sub(/^0x[0-9a-f]+ is located/, "it is", text)
        sub(/ \[0x[0-9a-f]+,0x[0-9a-f]+\)/, "", text)
    } else if (text ~ /<== Memory access/) {
        sub(/^ *\[[0-9]+, [0-9]+\) /, "the variable ", text)
        sub(/ <== Memory access at offset [0-9]+/, ", and the access", text)
    } else if (text ~ /^Thread T[0-9]+ created by/ || text ~ /located in stack of thread/) {
        hidden = 1
    } else {
        return
    }
    sub(/ thread T0/, " by the main thread", text)
    sub(/ by by /, " by ", text)
    section(text)
}

# Memcheck's lines, without the ==PID== before them.
function read_valgrind(text,    name, file, number) {
    if (text == "") { flush_report(); return }
    if (text ~ /^   (at|by) 0x[0-9A-F]+: /) {
        sub(/^   (at|by) 0x[0-9A-F]+: /, "", text)
        name = text
        sub(/ \(.*/, "", name)
        file = text
        sub(/^[^(]*\(/, "", file)
        sub(/\)$/, "", file)
        number = ""
        if (match(file, /:[0-9]+$/)) {
            number = substr(file, RSTART + 1) + 0
            file = substr(file, 1, RSTART - 1)
        } else {
            file = ""
        }
        if (kind != "") frame(name, file, number)
    } else if (text ~ / (is|are) (definitely|indirectly|possibly) lost in loss record /) {
        begin_report("memory lost", text ~ /possibly/ ? "possible" : "leak")
        bytes = number_of(text)
        sub(/^.* in /, "", text); sub(/^[^ ]+ \([^)]*\) in /, "", text)
        section("allocated")
    } else if (text ~ /^[A-Z]/ && text !~ /^(Thread|More than|Go fix|Process terminating)/) {
        begin_report(text, text ~ /^(Warning|Syscall param .* unaddressable)/ ? "crash" : "memory")
        if (text ~ /^Warning/) class = ""
        section("")
    } else if (text ~ /^ (Address|Uninitialised)/ && kind != "") {
        sub(/0x[0-9a-fA-F]+ /, "", text)
        section(tolower(substr(trim(text), 1, 1)) substr(trim(text), 2))
    }
}

function blocks_of(text) {
    if (match(text, /in [0-9,]+ (blocks?|object)/)) return number_of(substr(text, RSTART + 3, RLENGTH))
    return 1
}

BEGIN {
    forget()
    if (most == "") most = 3
    if (least == "") least = 1
    sources = split(ENVIRON["MINE_SOURCES"], source, "\n")
}

FNR == 1 { flush_report() }

/^==[0-9]+== ?/ && !/^==[0-9]+==(ERROR|ABORTING|HINT|WARNING)/ {
    text = $0
    sub(/^==[0-9]+== ?/, "", text)
    read_valgrind(text)
    if (text ~ /lost in loss record/) blocks = blocks_of(text)
    next
}

/WARNING: ThreadSanitizer: / {
    text = $0
    sub(/^.*ThreadSanitizer: /, "", text)
    sub(/ \(pid=[0-9]+\).*/, "", text)
    begin_report(text, text ~ /thread leak/ ? "thread" : text ~ /race|use-after-free/ ? "race" : "misuse")
    tool = "tsan"
    next
}

/ERROR: (ThreadSanitizer|AddressSanitizer|UndefinedBehaviorSanitizer): / {
    text = $0
    sub(/^.*Sanitizer: /, "", text)
    sub(/ on (unknown )?address.*/, "", text)
    sub(/:? \(pid.*/, "", text)
    begin_report(text == "ABRT" ? "abort" : text, text == "ABRT" ? "crash" : /AddressS/ ? "memory" : "crash")
    tool = "asan"
    next
}

/ERROR: LeakSanitizer/ { flush_report(); tool = "lsan"; next }

/^(Direct|Indirect) leak of / {
    begin_report("memory lost", "leak")
    bytes = number_of($4)
    blocks = blocks_of($0)
    section("allocated")
    next
}

/: runtime error: / {
    text = $0
    sub(/^.*: runtime error: /, "", text)
    gsub(/0x[0-9a-f]+/, "...", text)
    begin_report(text, "undefined")
    tool = "ubsan"
    text = $0
    sub(/: runtime error: .*/, "", text)
    # Where there is no stack, the place alone.
    ubsan_place = text
    next
}

/^ +#[0-9]+ / { if (kind != "") read_frame($0); next }

/^$/ && tool != "asan" && tool != "tsan" { flush_report(); next }

/^SUMMARY: / { flush_report(); tool = ""; next }

tool == "tsan" && /^  [A-Z]/ && kind != "" { read_tsan_title($0); next }
tool == "asan" && kind != "" { read_asan_line($0) }

END {
    flush_report()
    shown_count = 0
    for (i = 1; i <= found; i++) {
        key = order[i]
        if (want == "leak" && lost_blocks[key] < least) continue
        if (keys) { print key; continue }
        if (++shown_count > most) continue
        if (shown_count > 1) print ""
        if (want == "leak")
            print lost_bytes[key] " bytes in " lost_blocks[key] " blocks, lost"
        else
            print head[key] (count[key] > 1 ? " (" count[key] " times)" : "")
        printf "%s", body[key]
    }
    if (shown_count > most) print "\nand " shown_count - most " more"
}
