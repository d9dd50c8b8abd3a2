{#
  Why a conversion event can't be used, or null when nothing in the row speaks against it: the rules of the click log
  (docs/click-log.md). Expects a relation `conversions` with the columns of stg_conversion_feedback, left joined to
  `responses` (judged answers, one row a response) and `clicks` (accepted clicks, one row an ad of a response).

  keys: the partition columns; the event names them itself as event_<key>.
#}
{% macro conversion_rejection_reason(keys=['arm', 'iteration']) -%}
    case
        {% for key in keys -%}
        when coalesce(conversions.event_{{ key }}, '') <> conversions.{{ key }} then 'wrong_partition'
        {% endfor -%}
        when conversions.event_id is null or conversions.response_id is null or conversions.ad_id is null then 'missing_key'
        when conversions.ts is null then 'missing_ts'
        when coalesce(conversions.value < 0, true) then 'bad_value'
        {{ reference_rejection('conversions', 'responses') }}
        when clicks.response_id is null then 'conversion_without_click'
        when conversions.ts < responses.ts then 'before_answer'
        when conversions.ts > responses.ts + to_microseconds(({{ var('conversion_hours') }} * 3600000000)::bigint)
            then 'outside_window'
    end
{%- endmacro %}
