{#
  The cases of a CASE expression that say why an event about an ad in an answer can't be used: its answer is unknown or
  rejected, or does not insert the ad.

  events: relation with response_id and ad_id.
  answers: relation with one row a response, left joined to it: response_id, inserted_ad_ids, rejection_reason.
#}
{% macro reference_rejection(events, answers) -%}
        when {{ answers }}.response_id is null then 'unknown_response'
        when {{ answers }}.rejection_reason is not null then 'rejected_response'
        when not list_contains({{ answers }}.inserted_ad_ids, {{ events }}.ad_id) then 'ad_not_inserted'
{%- endmacro %}
