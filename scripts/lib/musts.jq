# The limits of a benchmark: from all lines of its file to rows of a table.

include "figures";

# The reference may lose nearly all commands of a database; its cost for the rest means nothing.
def cpu_whole: if .test == .online then cpu else null end;

# At most `share` of the reference's.
def share($what; $share; value):
  . as $runs | medians($runs; "ours"; value) as $ours | medians($runs; "reference"; value) as $reference
  | (if ($reference // 0) > 0 and $ours != null then $ours / $reference else null end) as $ratio
  | {what: $what, ours: ($ours | round(2)), reference: ($reference | round(2)), ratio: ($ratio | round(3)),
     must: "<= \($share)",
     verdict: (if $ratio == null then "-" elif $ratio <= $share then "PASS" else "FAIL" end)};

# A bound for ours alone.
def bound($what; $sign; $bound; value):
  . as $runs | medians($runs; "ours"; value) as $ours
  | {what: $what, ours: ($ours | round(2)), reference: (medians($runs; "reference"; value) | round(2)),
     must: "\($sign) \($bound)",
     verdict: (if $ours == null then "-" elif $sign == "<=" and $ours <= $bound or $sign == ">=" and $ours >= $bound
       then "PASS" else "FAIL" end)};

# For the reader to judge.
def told($what; value): bound($what; ""; ""; value) | .must = "-" | .verdict = "-";

def of_answers($case; $kind; rows): map(select(.case == $case and .offloads == "on" and answered == $kind))
  | if length == 0 then empty else rows | {case: ($case + (if $kind == "equal" then "" else ":" + $kind end))} + . end;
def of($case; rows): of_answers($case; "equal"; rows);

# At most `share` of what equal answers cost in the same round; the column of the reference shows those.
def to_equal($all; $share; value):
  . as $runs
  | ($all | map(select(.case == $runs[0].case and .offloads == "on" and .build == "ours" and answered == "equal"))) as $equal
  | (($runs | map(select(.build == "ours"))) + ($equal | map(.build = "equal"))) as $both
  | in_turn($both; "ours"; "equal"; value) as $ratio
  | {what: "CPU of both, us, to that of equal answers", ours: (medians($both; "ours"; value) | round(2)),
     reference: (medians($both; "equal"; value) | round(2)), ratio: ($ratio | round(3)), must: "<= \($share)",
     verdict: (if $ratio == null then "-" elif $ratio <= $share then "PASS" else "FAIL" end)};

# All of it, in every run.
def all_arrive:
  def worst($build): map(select(.build == $build) | if .online > 0 then 100 * .test / .online else 0 end) | min;
  worst("ours") as $ours
  | {what: "arrived, %, worst run", ours: ($ours | if . then . * 1000 | floor / 1000 else null end),
     reference: (worst("reference") | if . then . * 1000 | floor / 1000 else null end), must: "100",
     verdict: (if $ours == null then "-" elif $ours == 100 then "PASS" else "FAIL" end)};

[
  of("http-keepalive"; share("CPU of both, us a request"; 0.5; cpu)),
  of("http-one-shot"; share("CPU of both, us a connection"; 0.6; cpu)),
  of("http-post"; share("CPU of both, us a request"; 0.05; cpu), share("peak memory of both, MB"; 0.2; memory)),
  of("http-upload"; share("CPU of both, s"; 0.25; (.tcpcopy_us + .intercept_us) / 1000000), share("peak memory of both, MB"; 0.2; memory)),
  of("open-connections";
    share("memory of both, 10 000 open, MB"; 0.4; .measured.open_kb | if . then . / 1024 else null end),
    bound("CPU of both at rest, us a second"; "<="; 5000; .measured.idle_us)),
  of("latency";
    share("arrival to departure, median, us"; 0.8; .measured.departure_median_us),
    share("arrival to departure, 99th percentile, us"; 0.8; .measured.departure_p99_us),
    share("control link, bytes an answer"; 0.4; .measured.control_bytes)),
  of("mariadb-prepared"; share("CPU of both, us a command"; 0.6; cpu_whole)),
  of("mariadb-text"; share("CPU of both, us a command"; 0.6; cpu_whole)),
  of("mariadb-rate"; share("CPU of both, us a command"; 0.6; cpu_whole)),
  (. as $all | (map(select(.case) | {case, kind: answered}) | unique[] | select(.kind != "equal")) as {$case, $kind}
    | of_answers($case; $kind;
        all_arrive,
        to_equal($all; if $kind == "two-writes" then 1.5 else 1.15 end; cpu),
        if $case | startswith("http-") then share("CPU of both, us, to the reference's"; 0.55; cpu) else empty end)),
  of("production";
    told("service by itself, requests a second"; .measured.alone_rate),
    told("  copied"; .measured.copied_rate),
    told("service by itself, 99th percentile, us"; .measured.alone_p99_us),
    told("  copied"; .measured.copied_p99_us)),
  (map(select(.engine)) | if length == 0 then empty
    else bound("client segments a second, millions"; ">="; 5; .engine) | {case: "engine"} + . end)
]
