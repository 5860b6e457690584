# The results of a benchmark: figures of one run, and medians of several.

def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor]
  else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def round(places): if . == null then null else . * pow(10; places) | round / pow(10; places) end;

# In microseconds for each request (or other unit of the case), seconds in total, and MB.
def cpu: if .copied > 0 then (.tcpcopy_us + .intercept_us) / .copied else null end;
def cpu_seconds: (.tcpcopy_us + .intercept_us) / 1000000;
def memory: (.tcpcopy_kb + .intercept_kb) / 1024;

# Runs before there were kinds of answers have had equal ones.
def answered: .answers // "equal";

def medians($runs; $build; value): $runs | map(select(.build == $build) | value) | map(select(. != null)) | median;

# The median of the ratios of two builds in the same round, so that a machine that becomes slower does not affect it.
def in_turn($runs; $above; $below; value):
  $runs | group_by(.run)
  | map(medians(.; $above; value) as $a | medians(.; $below; value) as $b
      | select($a != null and ($b // 0) > 0) | $a / $b)
  | median;
