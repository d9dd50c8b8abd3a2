with responses as (

    select * from {{ ref('fct_click_log_responses') }}
    where {{ partition_predicate(['day']) }}

),

impressions as (

    select * from {{ ref('fct_click_log_impressions') }}
    where {{ partition_predicate(['day']) }}

),

files as (

    select * from {{ ref('stg_click_log_files') }}
    where {{ delivered_between(0, 0) }}

),

judged as (

    select * from {{ ref('int_click_log_events_judged') }}
    where {{ partition_predicate(['day']) }}

),

answered as (

    {{ partition_totals('responses', ['day'], money='double', decimals=6) }}

),

shown as (

    select
        day,
        -- of clicks on the same day alone: a day that is over can be compared with one that has waited for late clicks
        count_if(clicked and clicked_at < (day + 1)::timestamp at time zone 'UTC')::bigint as same_day_clicks,
        count_if(converted)::bigint as converted_impressions,
        sum(conversions)::bigint as conversions,
        round(sum(conversion_value), 6) as conversion_value,
        count_if(is_excluded)::bigint as excluded_impressions
    from impressions
    group by day

),

delivered as (

    select
        delivered_on as day,
        count(*) as files,
        sum(events_read)::bigint as events_read,
        sum(duplicates)::bigint as duplicates,
        sum(rejected)::bigint as rejected
    from files
    group by delivered_on

),

judged_totals as (

    select
        day,
        count_if(not is_duplicate and rejection_reason is null)::bigint as accepted,
        count_if(is_duplicate)::bigint as duplicates,
        count_if(rejection_reason is not null)::bigint as rejected
    from judged
    group by day

),

days as (

    select
        coalesce(answered.day, delivered.day) as day,

        -- the answers of the day
        coalesce(answered.responses, 0) as responses,
        coalesce(answered.queries, 0) as queries,
        coalesce(answered.users, 0) as users,
        coalesce(answered.impressions, 0) as impressions,
        coalesce(answered.clicks, 0) as clicks,
        coalesce(answered.revenue, 0) as revenue,
        {{ safe_divide('answered.clicks', 'answered.impressions') }} as ctr,
        coalesce(shown.same_day_clicks, 0) as same_day_clicks,
        {{ safe_divide('shown.same_day_clicks', 'answered.impressions') }} as same_day_ctr,
        {{ safe_divide('answered.revenue', 'answered.responses') }} as revenue_per_response,
        {{ safe_divide('answered.impressions', 'answered.responses') }} as ads_per_response,
        coalesce(answered.responses_with_format_error, 0) as responses_with_format_error,
        {{ safe_divide('answered.responses_with_format_error', 'answered.responses') }} as format_error_rate,
        coalesce(shown.converted_impressions, 0) as converted_impressions,
        coalesce(shown.conversions, 0) as conversions,
        coalesce(shown.conversion_value, 0) as conversion_value,
        coalesce(shown.excluded_impressions, 0) as excluded_impressions,

        -- what was delivered on the day
        coalesce(delivered.files, 0) as files,
        coalesce(delivered.events_read, 0) as events_read,
        -- counted, not what is left of those read, so that one that was lost on the way shows
        coalesce(judged_totals.accepted, 0) as events_accepted,
        coalesce(delivered.duplicates, 0) + coalesce(judged_totals.duplicates, 0) as events_duplicate,
        coalesce(delivered.rejected, 0) + coalesce(judged_totals.rejected, 0) as events_rejected,
        {{ safe_divide('delivered.rejected + coalesce(judged_totals.rejected, 0)', 'delivered.events_read') }}
            as rejected_share
    from answered
    full outer join delivered on answered.day = delivered.day
    left join shown on answered.day = shown.day
    left join judged_totals on delivered.day = judged_totals.day

)

select * from days
where {{ partition_predicate(['day']) }}
