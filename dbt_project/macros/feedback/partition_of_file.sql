{#
  The partition of a raw row, told by the folder that it lies in; what the row itself claims is kept beside it, and is
  rejected further down where it is another.
#}
{% macro partition_of_file() -%}
    regexp_extract(filename, 'arm=([^/\\]+)', 1) as arm,
    regexp_extract(filename, 'iteration=([^/\\]+)', 1) as iteration,
    arm as event_arm,
    iteration as event_iteration
{%- endmacro %}
