{#
  Why a click event can't be used, or null when nothing in the row speaks against it. Expects a relation `clicks` with
  the columns of stg_click_feedback, left joined to `responses` (judged answers, one row a response) and `ads` (ad_id).

  keys: the partition columns; the event names them itself as event_<key>.
#}
{% macro click_rejection_reason(keys=['arm', 'iteration']) -%}
    case
        {% for key in keys -%}
        when coalesce(clicks.event_{{ key }}, '') <> clicks.{{ key }} then 'wrong_partition'
        {% endfor -%}
        when clicks.event_id is null or clicks.response_id is null or clicks.ad_id is null then 'missing_key'
        when clicks.ts is null then 'missing_ts'
        when clicks.clicked is null then 'missing_judgement'
        when clicks.click_probability not between 0 and 1 then 'bad_value'
        when ads.ad_id is null then 'unknown_ad'
        {{ reference_rejection('clicks', 'responses') }}
    end
{%- endmacro %}
