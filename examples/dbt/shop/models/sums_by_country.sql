select country, sum(amount)::integer as amount
from {{ ref('orders') }}
group by country
order by country
