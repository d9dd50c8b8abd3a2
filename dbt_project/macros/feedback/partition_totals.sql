{#
  One row a partition: what its answers sum up to.

  responses: name of a CTE with the columns of fct_responses.
  keys: the partition columns.
  money: type of a sum of money; decimals: to round it to, see response_totals.
#}
{% macro partition_totals(responses, keys=['arm', 'iteration'], money='bigint', decimals=none) -%}
    select
        {% for key in keys -%}
        {{ key }},
        {% endfor -%}
        count(*) as responses,
        count(distinct query_id) as queries,
        count(distinct user_id) as users,
        sum(n_ads)::bigint as impressions,
        sum(clicks)::bigint as clicks,
        {{ rounded('sum(revenue)', decimals) }}::{{ money }} as revenue,
        case when count(expected_revenue) = count(*) then sum(expected_revenue) end as expected_revenue,
        count_if(has_format_error)::bigint as responses_with_format_error,
        avg(tokens) as tokens_per_response
    from {{ responses }}
    group by {{ keys | join(', ') }}
{%- endmacro %}
