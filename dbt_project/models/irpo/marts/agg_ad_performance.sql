with impressions as (

    select * from {{ ref('fct_ad_impressions') }}
    where {{ partition_predicate() }}

),

ads as (

    select * from {{ ref('stg_ads') }}

),

per_ad as (

    select
        arm,
        iteration,
        ad_id,
        count(*) as impressions,
        count_if(clicked)::bigint as clicks,
        sum(revenue)::bigint as revenue,
        avg(bid) as mean_bid,
        avg(position) as mean_position
    from impressions
    group by arm, iteration, ad_id

),

performance as (

    select
        per_ad.arm,
        per_ad.iteration,
        per_ad.ad_id,
        ads.title,
        ads.category,
        per_ad.impressions,
        per_ad.clicks,
        per_ad.revenue,
        {{ safe_divide('per_ad.clicks', 'per_ad.impressions') }} as ctr,
        per_ad.mean_bid,
        per_ad.mean_position
    from per_ad
    left join ads on per_ad.ad_id = ads.ad_id

)

select * from performance
