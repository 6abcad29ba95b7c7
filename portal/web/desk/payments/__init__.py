"""Money of one customer on the desk: transfers booked, the balance paid back, invoices credited."""
