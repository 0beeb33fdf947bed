//! A black-box client of a voucher rush: it plays the host app, the captcha service and the people.
