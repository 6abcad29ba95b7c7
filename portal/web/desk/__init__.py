"""The desk: where the vendor's people serve their customers.

A page an area, as everywhere: `portal.web.desk.AREA.routes` with a blueprint `desk_AREA`, entered
in portal.web.AREAS; templates in templates/desk/AREA. Every route declares a StaffPermission. A
page of one customer lies under /desk/accounts/<int:account_id>/, begins with `desk_account()` and
extends layouts/desk_account.html; whatever lists several customers is narrowed by `served_by()`.
"""
