{#
  One row per answer and inserted ad, with its position (1-based, reading order), the number of ads in the answer and
  the ad's bid.

  answers: name of a CTE with the columns of stg_ad_responses, accepted answers only.
  keys: the partition columns, carried along.
#}
{% macro inserted_ads(answers, keys=['arm', 'iteration']) -%}
    select
        {% for key in keys -%}
        insertions.{{ key }},
        {% endfor -%}
        insertions.response_id,
        insertions.ad_id,
        insertions.query_id,
        insertions.user_id,
        insertions.position,
        insertions.n_ads,
        insertions.bids[list_position(insertions.candidate_ad_ids, insertions.ad_id)] as bid,
        insertions.ts
    from (
        select
            {{ answers }}.*,
            unnest({{ answers }}.inserted_ad_ids) as ad_id,
            generate_subscripts({{ answers }}.inserted_ad_ids, 1) as position,
            len({{ answers }}.inserted_ad_ids) as n_ads
        from {{ answers }}
    ) as insertions
{%- endmacro %}
