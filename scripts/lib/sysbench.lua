-- sysbench's oltp_read_write with more options:
--   --own_table=on    each thread has a table of its own: the data do not depend on the order of threads
--   --reconnect=on    a connection for each transaction

require("oltp_read_write")

sysbench.cmdline.options.own_table = {"Each thread has a table of its own", false}
sysbench.cmdline.options.reconnect = {"A connection for each transaction", false}

local any, one_transaction, checks = sysbench.rand.uniform, event, init

-- Threads fail if all load the plugin of their login at the same time, so it is loaded before they start.
function init()
  checks()
  sysbench.sql.driver():connect():disconnect()
end

-- The only number that oltp_common chooses in this way is a table's.
function sysbench.rand.uniform(from, to)
  if not sysbench.opt.own_table then return any(from, to) end
  return sysbench.tid % sysbench.opt.tables + 1
end

function event()
  one_transaction()
  if sysbench.opt.reconnect then
    close_statements()
    con:disconnect()
    con = drv:connect()
    prepare_statements()
  end
end
