{#
  Incremental strategy `partition_overwrite`: the run's partition is deleted as a whole and written anew.

  Unlike delete+insert on the new rows' keys, a re-run that yields no row (all rejections mended, say) still clears
  what the earlier run left. `unique_key` in the model's config lists the partition columns.
#}
{% macro get_incremental_partition_overwrite_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }}
    where {{ partition_predicate(arg_dict['unique_key']) }};

    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
{%- endmacro %}
