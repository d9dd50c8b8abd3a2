{#
  Of the rows that nothing else speaks against, only the first of each duplicate stays accepted. A row that is rejected
  already never pushes out a good one.

  relation: name of a CTE with a column rejection_reason (null: accepted so far).
  columns: what makes two rows duplicates, within the partition; order_by: which of them is the first.
#}
{% macro reject_duplicates(relation, columns, order_by, reason, keys=['arm', 'iteration']) -%}
    select
        * replace (
            coalesce(
                rejection_reason,
                case
                    when row_number() over (
                        partition by {{ (keys + columns) | join(', ') }}, rejection_reason is null
                        order by {{ order_by }}
                    ) > 1 then '{{ reason }}'
                end
            ) as rejection_reason
        )
    from {{ relation }}
{%- endmacro %}
