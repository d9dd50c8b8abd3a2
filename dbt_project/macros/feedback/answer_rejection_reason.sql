{#
  Why an answer event can't be used, or null when it can. Expects a relation `answers` with the columns of
  stg_ad_responses, left joined to `queries` (query_id), and a one-row relation `catalog` (ad_ids: all known ads).

  keys: the partition columns; a duplicate is one within the partition, and its first row in time is kept.
#}
{% macro answer_rejection_reason(keys=['arm', 'iteration']) -%}
    {%- set partition = 'answers.' ~ keys | join(', answers.') -%}
    case
        {% for key in keys -%}
        when coalesce(answers.event_{{ key }}, '') <> answers.{{ key }} then 'wrong_partition'
        {% endfor -%}
        when answers.event_id is null or answers.response_id is null or answers.query_id is null
            or answers.user_id is null then 'missing_key'
        when answers.ts is null then 'missing_ts'
        when answers.answer is null then 'missing_answer'
        when row_number() over (
            partition by {{ partition }}, answers.event_id order by answers.ts, answers.response_id
        ) > 1 then 'duplicate_event_id'
        when row_number() over (
            partition by {{ partition }}, answers.response_id order by answers.ts, answers.event_id
        ) > 1 then 'duplicate_response_id'
        when queries.query_id is null then 'unknown_query'
        when len(answers.candidate_ad_ids) <> len(answers.bids)
            or len(answers.candidate_ad_ids) <> len(list_distinct(answers.candidate_ad_ids))
            or list_min(answers.bids) < 0 then 'bad_auction'
        when not list_has_all(catalog.ad_ids, answers.candidate_ad_ids) then 'unknown_ad'
        when not list_has_all(answers.candidate_ad_ids, answers.inserted_ad_ids)
            or len(answers.inserted_ad_ids) <> len(list_distinct(answers.inserted_ad_ids)) then 'bad_insertion'
    end
{%- endmacro %}
