{#
  Why an answer event can't be used, or null when nothing in the row speaks against it. Expects a relation `answers`
  with the columns of stg_ad_responses, left joined to `queries` (query_id), and a one-row relation `catalog` (ad_ids:
  all known ads).

  keys: the partition columns; the event names them itself as event_<key>.
#}
{% macro answer_rejection_reason(keys=['arm', 'iteration']) -%}
    case
        {% for key in keys -%}
        when coalesce(answers.event_{{ key }}, '') <> answers.{{ key }} then 'wrong_partition'
        {% endfor -%}
        when answers.event_id is null or answers.response_id is null or answers.query_id is null
            or answers.user_id is null then 'missing_key'
        when answers.ts is null then 'missing_ts'
        when answers.answer is null then 'missing_answer'
        -- real users ask what they like: the arm that is fed by the click log has no list of questions
        when queries.query_id is null {% if 'arm' in keys %}and answers.arm <> 'production' {% endif %}then 'unknown_query'
        when len(answers.candidate_ad_ids) <> len(answers.bids)
            or len(answers.candidate_ad_ids) <> len(list_distinct(answers.candidate_ad_ids))
            or list_min(answers.bids) < 0 then 'bad_auction'
        when not list_has_all(catalog.ad_ids, answers.candidate_ad_ids) then 'unknown_ad'
        when not list_has_all(answers.candidate_ad_ids, answers.inserted_ad_ids)
            or len(answers.inserted_ad_ids) <> len(list_distinct(answers.inserted_ad_ids)) then 'bad_insertion'
    end
{%- endmacro %}
