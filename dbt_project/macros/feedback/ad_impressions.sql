{#
  Inserted ads with what users made of them: an inserted ad that nobody clicked is an impression without click.

  inserted, clicks: names of CTEs with the columns of int_inserted_ads and stg_click_feedback (accepted clicks only,
  at most one row per response and ad).
  keys: the partition columns, which both carry.
#}
{% macro ad_impressions(inserted, clicks, keys=['arm', 'iteration']) -%}
    select
        {% for key in keys -%}
        {{ inserted }}.{{ key }},
        {% endfor -%}
        {{ inserted }}.response_id,
        {{ inserted }}.ad_id,
        {{ inserted }}.query_id,
        {{ inserted }}.user_id,
        {{ inserted }}.position,
        {{ inserted }}.n_ads,
        {{ inserted }}.bid,
        coalesce({{ clicks }}.clicked, false) as clicked,
        {{ clicks }}.click_probability,
        {{ inserted }}.bid * coalesce({{ clicks }}.clicked, false)::integer as revenue,
        {{ inserted }}.ts
    from {{ inserted }}
    left join {{ clicks }}
        on
            {% for key in keys -%}
            {{ inserted }}.{{ key }} = {{ clicks }}.{{ key }} and
            {% endfor -%}
            {{ inserted }}.response_id = {{ clicks }}.response_id
            and {{ inserted }}.ad_id = {{ clicks }}.ad_id
{%- endmacro %}
