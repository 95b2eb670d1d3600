"""Papers of other years, with the peculiarities that real ones have. Every name is fictitious."""

from __future__ import annotations

MT700_OF_2003 = """{1:F01TULPNL20AXXX5480000053}{2:I700EDELAT20XXXXN}{4:
:27:1/1
:40A:IRREVOCABLE
:20:T-4711
:23:PREADV/030510
:31C:030517
:40E:UCP LATEST VERSION
:31D:030730AMSTERDAM
:50:EDELWEISS FICTIVE GETRAENKE
BEISPIELGASSE 3
WIEN
:59:TULPENVELD VOORBEELD BV
POSTBUS 0
AMSTERDAM
:32B:EUR100000,
:41A:GRACNL20
BY PAYMENT
:43P:ALLOWED
:43T:ALLOWED
:44A:AMSTERDAM
:44B:WIEN
:45A:+400,000 BULBS OF TULIPS
PACKED 12 TO A CARTON
+FCA AMSTERDAM
:46A:+SIGNED COMMERCIAL INVOICE IN QUINTUPLICATE
+ FORWARDING AGENTS CERTIFICATE OF RECEIPT
:48:WITHIN 6 DAYS OF ISSUANCE OF FCR
:49:CONFIRM
:57A:KANANL20
-}
"""
"""LF line ends, rules before UCP 600, field 48 as free text, CONFIRM without 58a, and no bank that is a member."""

UBL_OF_2009 = """<?xml version="1.0" encoding="ISO-8859-1"?>
<Invoice
 xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:UBLVersionID>2.1</cbc:UBLVersionID>
  <cbc:ID>FICT-108</cbc:ID>
  <cbc:IssueDate>2009-12-15</cbc:IssueDate>
  <cbc:InvoiceTypeCode listID="UN/ECE 1001 Subset" listAgencyID="6">380</cbc:InvoiceTypeCode>
  <cbc:Note languageID="de">Für Sie bestellt.</cbc:Note>
  <cbc:DocumentCurrencyCode listID="ISO 4217 Alpha" listAgencyID="6"
    >EUR</cbc:DocumentCurrencyCode>
  <cac:AccountingSupplierParty><cac:Party>
    <cac:PartyIdentification><cbc:ID schemeID="ZZZ">Supp-0</cbc:ID></cac:PartyIdentification>
    <cac:PartyName><cbc:Name>Müster AG</cbc:Name></cac:PartyName>
    <cac:PartyLegalEntity><cbc:RegistrationName>Müster Aktiengesellschaft (fiktiv)</cbc:RegistrationName>
      <cbc:CompanyID schemeID="CVR" schemeAgencyID="ZZZ">0000000108</cbc:CompanyID></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingSupplierParty>
  <cac:AccountingCustomerParty><cac:Party>
    <cac:PartyName><cbc:Name>Voorbeeld NV</cbc:Name></cac:PartyName>
  </cac:Party></cac:AccountingCustomerParty>
  <cac:PaymentMeans>
    <cbc:PaymentMeansCode listID="UN/ECE 4461">31</cbc:PaymentMeansCode>
    <cbc:PaymentDueDate>2009-12-31</cbc:PaymentDueDate>
  </cac:PaymentMeans>
  <cac:LegalMonetaryTotal>
    <cbc:LineExtensionAmount currencyID="EUR">1436.5</cbc:LineExtensionAmount>
    <cbc:TaxInclusiveAmount currencyID="EUR">1729</cbc:TaxInclusiveAmount>
    <cbc:PrepaidAmount currencyID="EUR">1000</cbc:PrepaidAmount>
    <cbc:PayableAmount currencyID="EUR">729</cbc:PayableAmount>
  </cac:LegalMonetaryTotal>
</Invoice>
"""
"""Another encoding, attributes everywhere, the due date with the means of payment alone, a part prepaid."""

UBL_OF_2015 = """<?xml version="1.0" encoding="UTF-8"?>
<ubl:Invoice xmlns:ubl="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:ID>12000018</cbc:ID>
  <cbc:IssueDate>2015-01-09</cbc:IssueDate>
  <cbc:DueDate>2015-01-09</cbc:DueDate>
  <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cac:AccountingSupplierParty><cac:Party>
    <cac:PartyTaxScheme><cbc:CompanyID>NL0000.00.000.B.01</cbc:CompanyID></cac:PartyTaxScheme>
    <cac:PartyLegalEntity><cbc:RegistrationName>De Voorbeeldsmaak</cbc:RegistrationName>
      <cbc:CompanyID>00001520</cbc:CompanyID></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingSupplierParty>
  <cac:AccountingCustomerParty><cac:Party>
    <cac:PartyIdentification><cbc:ID>10202</cbc:ID></cac:PartyIdentification>
    <cac:PartyLegalEntity><cbc:RegistrationName>FICTIE 59</cbc:RegistrationName></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingCustomerParty>
  <cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="EUR">250.33</cbc:PayableAmount></cac:LegalMonetaryTotal>
</ubl:Invoice>
"""
"""Due on the day of issue."""

CII_OF_2015 = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
 <rsm:ExchangedDocument><ram:ID>12000018</ram:ID><ram:TypeCode>380</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">20150109</udt:DateTimeString></ram:IssueDateTime>
 </rsm:ExchangedDocument>
 <rsm:SupplyChainTradeTransaction>
  <ram:ApplicableHeaderTradeAgreement>
   <ram:SellerTradeParty><ram:Name>De Voorbeeldsmaak</ram:Name>
    <ram:SpecifiedLegalOrganization><ram:ID>00001520</ram:ID></ram:SpecifiedLegalOrganization>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">NL0000.00.000.B.01</ram:ID></ram:SpecifiedTaxRegistration>
   </ram:SellerTradeParty>
   <ram:BuyerTradeParty><ram:ID>10202</ram:ID><ram:Name>FICTIE 59</ram:Name></ram:BuyerTradeParty>
  </ram:ApplicableHeaderTradeAgreement>
  <ram:ApplicableHeaderTradeSettlement>
   <ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradePaymentTerms><ram:DueDateDateTime>
    <udt:DateTimeString format="102">20150109</udt:DateTimeString></ram:DueDateDateTime>
   </ram:SpecifiedTradePaymentTerms>
   <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    <ram:DuePayableAmount>250.33</ram:DuePayableAmount>
   </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
  </ram:ApplicableHeaderTradeSettlement>
 </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
"""
"""The same invoice in the other syntax."""
