"""Requests of customers at the desk: the queue, and seeing to one."""
