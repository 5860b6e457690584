# The tables of a benchmark: from all lines of its file to rows.

include "figures";

def runs: map(select(.case));
def name: .case + (if answered == "equal" then "" else ":" + answered end);

# Each case, answers, offloads and build.
def medians:
  [runs | group_by([.case, answered, .offloads])[] | . as $runs | group_by(.build)[] | . as $own | .[0].build as $build
    | (medians($runs; "reference"; cpu)) as $reference | (map(cpu | select(. != null)) | median) as $cpu
    | [(.[0] | name), .[0].offloads, $build,
        # Not rounded up to all.
        (map(if .online > 0 then 100 * .test / .online else 0 end) | median | . * 1000 | floor / 1000),
        "\(map(select(.verdict == "PASS")) | length)/\(length)", ($cpu | round(2)),
        (map(.tcpcopy_kb / 1024) | median | round(1)), (map(.intercept_kb / 1024) | median | round(1)),
        if $build == "ours" and ($reference // 0) > 0 and $cpu then ($cpu / $reference | round(2)) else "-" end]];

# Comparison with the figures of an earlier build: none may be worse by more than 3 %.
def worse($runs; $what; value):
  in_turn($runs; "ours"; "baseline"; value) as $ratio
  | select($ratio != null)
  | [$what, (medians($runs; "baseline"; value) | round(2)), (medians($runs; "ours"; value) | round(2)), ($ratio | round(3)),
      "<= 1.03", if $ratio <= 1.03 then "PASS" else "FAIL" end];
def baseline:
  [runs | group_by([.case, answered, .offloads])[] | . as $runs | (.[0] | name + (if .offloads == "on" then "" else " (off)" end)) as $name
    | (worse($runs; "CPU of both, us for each"; cpu),
       worse($runs; "peak memory of both, MB"; memory),
       worse($runs; "memory of both, open, MB"; .measured.open_kb | if . then . / 1024 else null end),
       worse($runs; "arrival to departure, median, us"; .measured.departure_median_us),
       worse($runs; "the same, 99th percentile, us"; .measured.departure_p99_us),
       worse($runs; "control link, bytes an answer"; .measured.control_bytes))
    | [$name] + .];

# The kinds of answers, in the order in which they were run: equal ones first.
def kinds: reduce (runs[] | answered) as $kind ([]; if index([$kind]) then . else . + [$kind] end);

# A row of CPU and one of ratios for each case and build; offloads on.
def answers:
  runs | map(select(.offloads == "on")) | kinds as $kinds
  | [group_by(.case)[] | . as $all | select(map(answered) | unique | length > 1) | group_by(.build)[]
    | .[0] as {$case, $build} | . as $own
    | ([$kinds[] as $kind | $own | map(select(answered == $kind))]) as $columns
    | [$case, $build, "CPU us"] + [$columns[] | medians(.; $build; cpu) | round(2)],
      [$case, $build, "to equal"] + [$columns[] | map(select(answered != "equal") | .build = "this") as $this
        | if $this == [] then "-"
          else in_turn($this + ($own | map(select(answered == "equal") | .build = "equal")); "this"; "equal"; cpu) | round(2) end],
      (select($build == "ours" and any($all[]; .build == "reference"))
        | [$case, $build, "to reference"] + [$kinds[] as $kind | $all | map(select(answered == $kind))
            | in_turn(.; "ours"; "reference"; cpu) | round(2)]),
      [$case, $build, "arrived %"] + [$columns[] | map(if .online > 0 then 100 * .test / .online else 0 end)
        | if . == [] then "-" else min | . * 1000 | floor / 1000 end]];
