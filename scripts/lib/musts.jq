# What the runs of a benchmark must reach: from all lines of its file to rows of a table.

def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor]
  else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def round(places): if . == null then null else . * pow(10; places) | round / pow(10; places) end;

def cpu: if .copied > 0 then (.tcpcopy_us + .intercept_us) / .copied else null end;
# The reference may lose nearly all of a database's commands: what it takes for the others says nothing.
def cpu_whole: if .test == .online then cpu else null end;
def memory: (.tcpcopy_kb + .intercept_kb) / 1024;
def medians($runs; $build; value): $runs | map(select(.build == $build) | value) | map(select(. != null)) | median;

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

def of($case; rows): map(select(.case == $case and .offloads == "on"))
  | if length == 0 then empty else rows | {case: $case} + . end;

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
  of("production";
    told("service by itself, requests a second"; .measured.alone_rate),
    told("  copied"; .measured.copied_rate),
    told("service by itself, 99th percentile, us"; .measured.alone_p99_us),
    told("  copied"; .measured.copied_p99_us)),
  (map(select(.engine)) | if length == 0 then empty
    else bound("client segments a second, millions"; ">="; 5; .engine) | {case: "engine"} + . end)
]
