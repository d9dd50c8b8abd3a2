{#
  One row a response: where an id came twice, the accepted row speaks for it.

  judged: a relation with the columns of int_ad_responses_judged.
#}
{% macro one_row_a_response(judged) -%}
    select
        arm,
        iteration,
        response_id,
        inserted_ad_ids,
        rejection_reason,
        ts
    from {{ judged }}
    where response_id is not null
    qualify row_number() over (
        partition by arm, iteration, response_id order by rejection_reason nulls first
    ) = 1
{%- endmacro %}
