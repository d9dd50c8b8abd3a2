with inserted as (

    select * from {{ ref('int_click_log_inserted_ads') }}
    where {{ partition_predicate(['day']) }}

),

clicks as (

    select * from {{ ref('int_click_log_clicks') }}
    where {{ partition_predicate(['day']) }}

),

answers as (

    select
        day,
        response_id,
        policy_version
    from {{ ref('int_click_log_answers') }}
    where {{ partition_predicate(['day']) }}

),

conversions as (

    select * from {{ ref('int_click_log_conversions') }}
    where {{ partition_predicate(['day']) }}

),

sessions as (

    select * from {{ ref('int_click_log_sessions') }}
    where {{ partition_predicate(['day']) }}

),

users as (

    select * from {{ ref('int_click_log_users') }}
    where {{ partition_predicate(['day']) }}

),

ads as (

    select * from {{ ref('stg_click_log_ads') }}

),

shown as (

    {{ ad_impressions('inserted', 'clicks', ['day']) }}

),

judged as (

    select
        shown.*,
        clicks.ts as clicked_at,
        clicks.seconds_to_click,
        case
            when users.exclusion_reason is not null then users.exclusion_reason
            when shown.clicked and ads.advertiser = shown.user_id then 'self_click'
            when clicks.seconds_to_click < {{ click_log('min_click_seconds') }} then 'impossible_timing'
        end as exclusion_reason
    from shown
    left join clicks
        on
            shown.day = clicks.day
            and shown.response_id = clicks.response_id
            and shown.ad_id = clicks.ad_id
    left join users on shown.day = users.day and shown.user_id = users.user_id
    left join ads on shown.ad_id = ads.ad_id

),

impressions as (

    select
        judged.day,
        judged.response_id,
        judged.ad_id,
        judged.query_id,
        judged.user_id,
        answers.policy_version,
        judged.position,
        judged.n_ads,
        judged.bid,
        judged.clicked,
        judged.click_probability,
        judged.revenue,
        judged.clicked_at,
        judged.seconds_to_click,
        coalesce(conversions.conversions, 0) as conversions,
        conversions.response_id is not null as converted,
        coalesce(conversions.conversion_value, 0) as conversion_value,
        hour(judged.ts at time zone 'UTC') as hour_of_day,
        isodow(judged.ts at time zone 'UTC') as day_of_week,
        sessions.session_id,
        sessions.session_position,
        sessions.seconds_since_previous_answer,
        judged.exclusion_reason is not null as is_excluded,
        judged.exclusion_reason,
        judged.ts
    from judged
    inner join answers on judged.day = answers.day and judged.response_id = answers.response_id
    left join sessions on judged.day = sessions.day and judged.response_id = sessions.response_id
    left join conversions
        on
            judged.day = conversions.day
            and judged.response_id = conversions.response_id
            and judged.ad_id = conversions.ad_id

)

select * from impressions
