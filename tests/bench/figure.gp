# figure.gp - draws what tests/bench/figure has prepared: data/PANEL.STEP.COLUMN, with x, the
# median, and the least and the most of the rounds. Variables: data, out.

set terminal svg size 830,620 dynamic font "Helvetica,12"
set output out

array colour[5] = ["#8c8c8c", "#d68400", "#2f81f7", "#cf3fa0", "#1a9a5a"]
array shape[5] = [5, 8, 6, 10, 7]
array step[5] = ["step01", "step02", "step03", "step04", "step05"]
array name[5] = ["01 blocking", "02 select", "03 epoll", "04 threadpool", "05 final"]
array panel[3] = ["connections", "wait", "idle"]
array column[2] = ["rps", "p99_us"]
array heading[3] = ["more connections", "slower requests", "more idle connections"]
array below[3] = ["connections", "each of 64 waits so long", "idle, beside 64 active"]

set border 3 linecolor rgb "#808080"
set tics nomirror out scale 0.6
set mxtics 1; set mytics 1
set grid linecolor rgb "#808080" linewidth 0.4 dashtype 3
set logscale xy
unset key

set multiplot
set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
left(c) = 0.095 + (c - 1) * 0.315
set size 0.245, 0.345

do for [r = 1:2] {
    # us become s, so that gnuplot writes us, ms and s.
    ky = r == 1 ? 1 : 1e-6
    if (r == 1) { set yrange [30:1000000]; set format y "%.0s%c" } \
    else { set yrange [3e-6:3]; set format y "%.0s%cs" }
    do for [c = 1:3] {
        kx = c == 2 ? 1e-6 : 1
        set origin left(c), (r == 1 ? 0.525 : 0.105)
        set title (r == 1 ? heading[c] : "") offset 0, -0.3
        set xlabel (r == 2 ? below[c] : "") offset 0, 0.3
        set ylabel (c == 1 ? (r == 1 ? "requests per second" : "p99 latency") : "") offset 0.5, 0
        if (c == 1) { set xrange [0.8:13000] }
        if (c == 2) { set xrange [8e-5:1.3e-2] }
        if (c == 3) { set xrange [8:13000] }
        set format x (c == 2 ? "%.0s%cs" : "%.0s%c")
        plot for [s = 1:5] sprintf("%s/%s.%s.%s", data, panel[c], step[s], column[r]) \
            using ($1 * kx):($2 * ky):($3 * ky):($4 * ky) with yerrorbars pointtype 0 \
            linewidth 1 linecolor rgb colour[s], \
            for [s = 1:5] sprintf("%s/%s.%s.%s", data, panel[c], step[s], column[r]) \
            using ($1 * kx):($2 * ky) with linespoints linewidth 2 pointtype shape[s] \
            pointsize (s == 1 ? 0.9 : 0.6) linecolor rgb colour[s]
    }
}

# One key for all, on top.
unset title; unset xlabel; unset ylabel; unset tics; unset border; unset grid; unset logscale
set origin 0.02, 0.935
set size 0.96, 0.06
set xrange [0:1]; set yrange [0:1]
set key at graph 0.5, 0.5 center center horizontal samplen 2 width -1 maxrows 1
plot for [s = 1:5] NaN with linespoints linewidth 2 pointtype shape[s] pointsize 0.8 \
    linecolor rgb colour[s] title name[s]
unset multiplot
