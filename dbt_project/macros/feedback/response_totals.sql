{#
  One row an answer that shows ads: what its impressions sum up to.

  impressions: name of a CTE with the columns of ad_impressions.
  keys: the partition columns.
  decimals: to round sums of money to where bids are no whole numbers, so that they don't depend on the order of the rows.
#}
{% macro response_totals(impressions, keys=['arm', 'iteration'], decimals=none) -%}
    select
        {% for key in keys -%}
        {{ key }},
        {% endfor -%}
        response_id,
        count_if(clicked) as clicks,
        {{ rounded('sum(revenue)', decimals) }} as revenue,
        -- null where the probability of even one ad is unknown: a partial sum would pass for the whole
        case when count(click_probability) = count(*) then sum(bid * click_probability) end as expected_revenue
    from {{ impressions }}
    group by {{ keys | join(', ') }}, response_id
{%- endmacro %}
